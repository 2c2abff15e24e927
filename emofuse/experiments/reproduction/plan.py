"""What a paper's tables are made of: which runs, and what differs between them."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any, NamedTuple


class PrintedFigure(NamedTuple):
    """One figure of a table.

    Attributes:
        table: its number in the paper.
        corpus: such as ``"meld"``.
        row: a method or a variant, as the paper calls it.
        column: a metric, one of :data:`~emofuse.experiments.printed_columns.COLUMNS`, or a class, for its F1.
        value: as printed; ``"85.4/86.4"`` where the paper prints two definitions. Shares are in percent.
    """

    table: str
    corpus: str
    row: str
    column: str
    value: str


@dataclass(frozen=True)
class Variant:
    """The system as one row of a table has it.

    Attributes:
        key: name of its folder.
        name: as the row is called.
        changes: dotted settings, put over those of the recipe.
    """

    key: str
    name: str
    changes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class PaperTable:
    """One table.

    Attributes:
        number: in the paper, such as ``"4"`` or ``"figure-11"``.
        title: what it shows.
        variants: its rows that are runs of the system, in its order.
        corpora: that the paper has it for; on others ours stands alone. Empty: it prints no figure.
        compared: a table of methods: the paper's rows one below the other, ours last.
        chosen_on_test: the paper shows a setting's values by their figures on the test part.
    """

    number: str
    title: str
    variants: tuple[Variant, ...]
    corpora: tuple[str, ...]
    compared: bool = False
    chosen_on_test: bool = False


@dataclass(frozen=True)
class PaperPlan:
    """The tables of a paper.

    Attributes:
        system: name of the model.
        title: as it is called in print; the row of the whole system.
        source: of the printed figures.
        figures: file with the printed figures, beside this one.
        corpora: that can be asked for.
        tables: in the paper's order.
    """

    system: str
    title: str
    source: str
    figures: str
    corpora: tuple[str, ...]
    tables: tuple[PaperTable, ...]

    @property
    def full_system(self) -> Variant:
        """The system as the recipe has it."""
        return Variant("whole", self.title)

    def tables_for(self, corpus: str) -> tuple[PaperTable, ...]:
        """Those that the paper has for a corpus; of tables that differ only in their corpus, one for any other."""
        chosen: dict[str, PaperTable] = {}
        for table in self.tables:
            known = chosen.get(table.title)
            if known is None or (corpus in table.corpora and corpus not in known.corpora):
                chosen[table.title] = table
        return tuple(chosen.values())

    def printed(self, table: PaperTable, corpus: str) -> list[PrintedFigure]:
        """What a table prints for a corpus, in its order; empty where it has nothing for it."""
        text = (files(__package__) / self.figures).read_text(encoding="utf-8")
        rows = csv.DictReader(text.splitlines())
        found = [
            PrintedFigure(r["table"], r["corpus"], r["row"], r["column"], r["value"])
            for r in rows
            if (r["table"], r["corpus"]) == (table.number, corpus)
        ]
        return found


def sweep_rows(symbol: str, key: str, setting: str, values: Iterable[Any]) -> tuple[Variant, ...]:
    """A row per value of one setting, named as in ``α = 0.4``."""
    return tuple(Variant(f"{key}-{value}", f"{symbol} = {value}", {setting: value}) for value in values)
