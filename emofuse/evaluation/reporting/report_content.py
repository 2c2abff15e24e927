"""The content of a report as plain records. The evaluation fills them, and ``report`` renders them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from emofuse.evaluation.metrics.estimate import Estimate
from emofuse.evaluation.protocols.protocol_info import ProtocolInfo
from emofuse.evaluation.reporting.tables import Table

if TYPE_CHECKING:
    from emofuse.evaluation.comparison.disagreements import Disagreement
    from emofuse.evaluation.reporting.figures.save import SavedFigure

Place = Literal["results", "comparison", "classes", "frames", "training", "data"]


@dataclass(frozen=True)
class ClassScores:
    """A row of the per-class table; scores are parts of one, NaN where undefined."""

    label: str
    precision: float
    recall: Estimate
    f1: Estimate
    support: int
    f1_within_class: float | None = None


@dataclass(frozen=True)
class ComparisonRow:
    """One system, modality or protocol among several.

    Attributes:
        name: what was measured.
        metrics: metric → score; rows need not have the same metrics.
        optimistic: the protocol behind these numbers flatters.
        note: how the numbers came about, or a ceiling.
        flattering: those of its metrics that flatter by themselves, whatever the protocol.
    """

    name: str
    metrics: Mapping[str, Estimate]
    optimistic: bool = False
    note: str = ""
    flattering: frozenset[str] = frozenset()

    def flags(self, metric: str) -> tuple[str, ...]:
        """Words that stand beside one of its numbers."""
        return ("optimistic",) if self.optimistic or metric in self.flattering else ()


@dataclass(frozen=True)
class PairedRow:
    """Two runs on the same utterances.

    Attributes:
        first: name of one run.
        second: name of the other.
        metric: what is compared.
        difference: second minus first, with its interval.
        p_value: two-sided, of the test named in ``test``; NaN where it cannot be computed.
        test: name of the test.
        corrected: the p-value after a correction for several comparisons; NaN where there was none.
    """

    first: str
    second: str
    metric: str
    difference: Estimate
    p_value: float
    test: str
    corrected: float = math.nan


@dataclass(frozen=True)
class Example:
    """One utterance to look at.

    Attributes:
        kind: heading under which it stands ("Most confident mistakes").
        id: of the utterance.
        text: what was said, None when there is no transcript.
        true: its label.
        predicted: the model's.
        probability: given to the predicted label.
        speaker: who said it.
    """

    kind: str
    id: str
    text: str | None
    true: str
    predicted: str
    probability: float
    speaker: str | None = None


@dataclass(frozen=True)
class ReportFigure:
    """A figure's files and its words.

    Attributes:
        files: from :func:`emofuse.evaluation.reporting.figures.save_figure`.
        caption: shown below it.
        alt: said instead of it to somebody who cannot see it.
        place: section in which it stands.
    """

    files: SavedFigure
    caption: str
    alt: str
    place: Place = "results"


@dataclass(frozen=True)
class RunReport:
    """Everything that a report of a run, or of a comparison of runs, can say; empty parts are left out.

    Attributes:
        title: what this is.
        command: that made it.
        synthetic: the data were generated; it is said in the head and once at each table of scores.
        summary: a sentence or two for somebody who reads nothing else.
        protocol: how the utterances were split; where it is optimistic, every number says so.
        headline: metric → score, the most important first.
        classes: per-class table.
        comparison: systems, modalities or protocols side by side.
        paired: tests between runs on the same utterances.
        configuration: settings, nested or flat.
        counts: part (train, val, test) → label → utterances.
        quarantine: reason → utterances set aside.
        audit: lines of the leak audit.
        audit_flags: what the audit warns of.
        figures: pictures, in order.
        examples: utterances to look at, grouped by their kind.
        disagreements: utterances on which compared methods differ.
        tables: any others, each with its title and notes.
        environment: versions and machine.
        notes: anything that the reader must know.
    """

    title: str
    command: str = ""
    synthetic: bool = False
    summary: str = ""
    protocol: ProtocolInfo | None = None
    headline: Mapping[str, Estimate] = field(default_factory=dict)
    classes: Sequence[ClassScores] = ()
    comparison: Sequence[ComparisonRow] = ()
    paired: Sequence[PairedRow] = ()
    configuration: Mapping[str, Any] = field(default_factory=dict)
    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    quarantine: Mapping[str, int] = field(default_factory=dict)
    audit: Sequence[str] = ()
    audit_flags: Sequence[str] = ()
    figures: Sequence[ReportFigure] = ()
    examples: Sequence[Example] = ()
    disagreements: Sequence[Disagreement] = ()
    tables: Sequence[Table] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()

    @property
    def flags(self) -> tuple[str, ...]:
        """Words that stand in the head of the report."""
        optimistic = self.protocol is not None and self.protocol.optimistic
        return (("optimistic",) if optimistic else ()) + self.data_flags

    @property
    def data_flags(self) -> tuple[str, ...]:
        """Words that stand at every table of scores, whatever its protocol."""
        return ("synthetic data",) if self.synthetic else ()
