"""The figures of the DeepMSI-MER paper, as data."""

from __future__ import annotations

import csv
from importlib.resources import files
from typing import NamedTuple

SOURCE = "Dai et al. 2025, arXiv:2502.08573"
AVERAGE = "weighted average"


class PublishedScore(NamedTuple):
    """One pair of figures of a table, in percent as printed.

    Attributes:
        table: its number in the paper.
        corpus: ``"iemocap"`` or ``"meld"``.
        method: as the paper calls it; other methods' figures are those that the paper quotes.
        modalities: Table 3: what the system was given, such as ``"T+V"``; empty elsewhere.
        label: a class in small letters, or `AVERAGE`.
        accuracy: of a class, its recall.
        f1: of a class of DeepMSI-MER computed within the class, where precision is always 1 (see docs); of the
            average, weighted F1.
    """

    table: int
    corpus: str
    method: str
    modalities: str
    label: str
    accuracy: float
    f1: float


def published_scores(table: int, corpus: str) -> list[PublishedScore]:
    """What a table of the paper says of a corpus, in its order; empty for a corpus that it does not have."""
    text = (files(__package__) / "deepmsi_mer.csv").read_text(encoding="utf-8")
    scores = [
        PublishedScore(
            int(row["table"]),
            row["corpus"],
            row["method"],
            row["modalities"],
            row["class"],
            float(row["accuracy"]),
            float(row["f1"]),
        )
        for row in csv.DictReader(text.splitlines())
    ]
    return [score for score in scores if (score.table, score.corpus) == (table, corpus)]


def printed_methods(corpus: str) -> list[str]:
    """The methods of Table 1 or 2; for a corpus that the paper does not have, those of both."""
    tables = {"iemocap": (1,), "meld": (2,)}.get(corpus, (1, 2))
    corpora = ("iemocap", "meld")
    scores = [score for number in tables for each in corpora for score in published_scores(number, each)]
    return list(dict.fromkeys(score.method for score in scores))
