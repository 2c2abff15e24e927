"""The utterances on which methods differ, the most telling first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from emofuse.evaluation.comparison.method_scores import MethodComparison

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Disagreement:
    """An utterance that methods do not agree on.

    Attributes:
        id: of the utterance.
        text: what was said, None when there is no transcript.
        speaker: who said it.
        truth: its label, or score.
        answers: method → what it says.
        right: the methods that are right; empty for scores.
        classes: truth and answers are classes, not scores.
    """

    id: str
    text: str | None
    speaker: str | None
    truth: str
    answers: dict[str, str]
    right: frozenset[str]
    classes: bool = True


def disagreements(
    comparison: MethodComparison, texts: Mapping[str, str | None] | None = None, count: int = 20
) -> list[Disagreement]:
    """Pick utterances on which the methods differ.

    For classes those come first that some methods have right and others wrong, in turn one that the first
    method has right and one that it has wrong, the surest answers first; then those that all have wrong in
    different ways. For scores, the widest spread comes first.

    Args:
        comparison: the methods.
        texts: id → what was said.
        count: at most so many; all where it is 0.
    """
    import pandas as pd

    order = _by_class(comparison) if comparison.labels else _by_spread(comparison)
    table, found = comparison.utterances, []
    for i in order[: count or None]:
        answers = {name: given[i] for name, given in comparison.answers.items()}
        truth, id = table["truth"].iloc[i], str(table["id"].iloc[i])
        right = frozenset(n for n, answer in answers.items() if comparison.labels and answer == truth)
        speaker = table["speaker"].iloc[i] if "speaker" in table else None
        found.append(
            Disagreement(
                id=id,
                text=(texts or {}).get(id),
                speaker=None if pd.isna(speaker) else str(speaker),
                truth=_shown(truth),
                answers={name: _shown(answer) for name, answer in answers.items()},
                right=right,
                classes=bool(comparison.labels),
            )
        )
    return found


def disagreement_table(comparison: MethodComparison, texts: Mapping[str, str | None]) -> pd.DataFrame:
    """All of them: ``id``, ``speaker``, ``text``, ``truth``, and ``said by <method>`` for each method."""
    import pandas as pd

    columns = ["id", "speaker", "text", "truth", *(f"said by {name}" for name in comparison.answers)]
    rows = [
        (each.id, each.speaker, each.text, each.truth, *each.answers.values())
        for each in disagreements(comparison, texts, count=0)
    ]
    return pd.DataFrame(rows, columns=columns)


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else f"{float(value):+.2f}".replace("-", "−")


def _by_class(comparison: MethodComparison) -> list[int]:
    answers = np.array(list(comparison.answers.values()), dtype=object)
    truth = comparison.utterances["truth"].to_numpy(object)
    sure = np.nan_to_num(np.mean(list(comparison.sureness.values()), axis=0))
    differ = (answers != answers[0]).any(axis=0)
    right = answers == truth
    split = differ & right.any(axis=0)
    ids = comparison.utterances["id"].to_numpy(str)

    def most_confident(chosen: np.ndarray) -> list[int]:
        return sorted(np.flatnonzero(chosen).tolist(), key=lambda i: (-sure[i], ids[i]))

    first, others = most_confident(split & right[0]), most_confident(split & ~right[0])
    turns = [i for pair in zip(first, others, strict=False) for i in pair]
    rest = [*first[len(turns) // 2 :], *others[len(turns) // 2 :]]
    return [*turns, *rest, *most_confident(differ & ~right.any(axis=0))]


def _by_spread(comparison: MethodComparison) -> list[int]:
    answers = np.array(list(comparison.answers.values()), dtype=np.float64)
    spread = np.ptp(answers, axis=0)
    return [int(i) for i in np.argsort(-spread, kind="stable") if spread[i] > 0]
