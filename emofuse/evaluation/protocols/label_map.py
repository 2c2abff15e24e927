"""Two corpora with different labels on one footing: a map that the user can see and change.

A map has two sides. ``data`` says what a label of the corpus to be scored counts as, ``run`` what a label
that the run predicts counts as; the names on the right are those that the scores are about. What is mapped
to nothing is left out: utterances with such a label are not scored, and such a prediction is not allowed
(its probability is shared out among the others).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from emofuse.data.wording import counted
from emofuse.errors import EmofuseError
from emofuse.evaluation.metrics.emotion_names import emotion_name


@dataclass(frozen=True)
class LabelMap:
    """What labels count as.

    Attributes:
        data: label of the corpus → name in the scores, or None to leave its utterances out. A label that is
            not named keeps its name.
        run: label of the run → name in the scores, or None to forbid it. A label that is not named keeps
            its name.
    """

    data: Mapping[str, str | None] = field(default_factory=dict)
    run: Mapping[str, str | None] = field(default_factory=dict)

    def classes(self, run_labels: Sequence[str]) -> tuple[str, ...]:
        """The names that the scores are about, in the order of the run's labels."""
        named = (self.run.get(label, label) for label in run_labels)
        return tuple(dict.fromkeys(name for name in named if name is not None))

    def check(self, data_labels: Iterable[str], run_labels: Sequence[str]) -> None:
        """Refuse a map that does not fit.

        Args:
            data_labels: the labels that occur in the corpus.
            run_labels: the labels that the run knows.

        Raises:
            EmofuseError: one line that names every label with which something is wrong.
        """
        knows = f"the run knows {', '.join(run_labels)}"
        strange = [label for label in self.run if label not in run_labels]
        if strange:
            raise EmofuseError(f"label map, side run: {_listed(strange)} is no label of the run; {knows}")
        classes = self.classes(run_labels)
        if not classes:
            raise EmofuseError("label map: every label of the run is left out; nothing could be predicted")
        wrong = [f"{a} → {b}" for a, b in self.data.items() if b is not None and b not in classes]
        if wrong:
            raise EmofuseError(
                f"label map: {', '.join(wrong)} leads to no name that can be predicted; "
                f"there are: {', '.join(classes)}"
            )
        lost = sorted(label for label in set(data_labels) if label not in self.data and label not in classes)
        if lost:
            raise EmofuseError(
                f"the run does not know the labels {', '.join(lost)}; {knows}: say what they count as with "
                "--label-map (a=b,c= where nothing after the sign leaves c out), or let --write-label-map guess"
            )

    def truth(self, labels: Iterable[str]) -> list[str | None]:
        """True labels as the scores name them; None for those left out."""
        return [self.data.get(label, label) for label in labels]

    def probabilities(self, table: np.ndarray, run_labels: Sequence[str]) -> np.ndarray:
        """What the run said, over the names in the scores.

        Args:
            table: (N, C) distributions over the run's labels.
            run_labels: the C labels.

        Returns:
            (N, K) distributions over :meth:`classes`: labels that count as one are added up.
        """
        classes = self.classes(run_labels)
        merge = np.zeros((len(run_labels), len(classes)))
        for row, label in enumerate(run_labels):
            name = self.run.get(label, label)
            if name is not None:
                merge[row, classes.index(name)] = 1.0
        merged = np.asarray(table, dtype=np.float64) @ merge
        total = merged.sum(axis=1, keepdims=True)
        # Where all the probability lay on forbidden labels nothing is known of the others.
        return np.divide(merged, total, out=np.full_like(merged, 1 / len(classes)), where=total > 0)

    def lines(self, data_labels: Iterable[str], run_labels: Sequence[str]) -> Iterator[str]:
        """What the map does to this corpus, in words: labels that change, are left out or never occur.

        Args:
            data_labels: the label of every utterance, repeated as often as it occurs.
            run_labels: the labels that the run knows.
        """
        counts: dict[str, int] = {}
        for label in data_labels:
            counts[label] = counts.get(label, 0) + 1
        for label, count in sorted(counts.items()):
            name = self.data.get(label, label)
            if name is None:
                yield f"{label}: left out ({counted(count, 'utterance')})"
            elif name != label:
                yield f"{label} counts as {name} ({counted(count, 'utterance')})"
        for label in run_labels:
            name = self.run.get(label, label)
            if name is None:
                yield f"the run may not answer {label}"
            elif name != label:
                yield f"the run's answer {label} counts as {name}"
        unseen = set(self.classes(run_labels)) - set(self.truth(counts))
        if unseen:
            yield (
                f"no utterance is {' or '.join(sorted(unseen))}, so that answer is always wrong; "
                "on side run of a label map it can be left out or counted as another"
            )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(repr(name) for name in names)


def guess_label_map(data_labels: Iterable[str], run_labels: Sequence[str]) -> LabelMap:
    """A first map for the user to look at and change.

    A label of the corpus is led to the run's label of the same emotion ("happy" to "joy"). What has none is
    left out, and so are labels of which the run has two forms. Nothing is guessed on the side of the run.
    """
    by_emotion: dict[str, list[str]] = {}
    for label in run_labels:
        by_emotion.setdefault(emotion_name(label), []).append(label)
    data: dict[str, str | None] = {}
    for label in sorted(set(data_labels)):
        same = by_emotion.get(emotion_name(label), [])
        data[label] = label if label in run_labels else same[0] if len(same) == 1 else None
    return LabelMap(data=data, run={label: label for label in run_labels})
