"""Published figures of the systems, each with its source."""

from __future__ import annotations

from importlib.resources import files
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

Column = Literal["accuracy", "weighted_f1", "mae", "corr", "acc2", "f1", "acc7"]


class PublishedFigures(BaseModel):
    """What one source prints of one system on one corpus.

    Attributes:
        system: its name in the registry.
        corpus: such as ``"meld"``.
        source: where the figures are printed.
        quoted: the source is another paper, which quotes the figures or ran the system itself.
        figures: column → as printed, shares in percent; ``"81.8/83.4"`` where two definitions are printed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    system: str
    corpus: str
    source: str = Field(min_length=1)
    quoted: bool = False
    figures: dict[Column, float | str]


def published_figures(corpus: str | None = None, system: str | None = None) -> list[PublishedFigures]:
    """The figures that emofuse knows of, in the order of the file.

    Args:
        corpus: of this one alone.
        system: of this one alone.
    """
    text = (files(__package__) / "published_figures.yaml").read_text(encoding="utf-8")
    found = TypeAdapter(list[PublishedFigures]).validate_python(yaml.safe_load(text))
    return [
        each
        for each in found
        if (corpus is None or each.corpus == corpus) and (system is None or each.system == system)
    ]
