"""An ablation as a table."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from emofuse.data.wording import counted
from emofuse.evaluation.comparison.method_scores import MethodScores
from emofuse.evaluation.metrics.estimate import MISSING, p_text
from emofuse.evaluation.reporting.comparison_tables import count_text, difference_estimate
from emofuse.evaluation.reporting.table_files import write_table_files
from emofuse.evaluation.reporting.tables import Cell, Table, flags_of
from emofuse.experiments.ablation.cost import Cost
from emofuse.experiments.ablation.deepmsi_mer import Ablation
from emofuse.experiments.ablation.variants import Variant

METRIC = "weighted_f1"


def write_ablation(found: Ablation, folder: Path | None = None) -> list[Path]:
    """Write tables.md, tables.html, tables.tex, table.csv and ablation.json.

    Args:
        found: of :func:`~emofuse.experiments.ablation.ablate_deepmsi_mer`.
        folder: by default that of the ablation.
    """
    rows = flat_rows(found)
    content = {
        "rows": rows,
        "failures": found.failures,
        "scores": found.comparison.to_dict(),
        "options": {variant.name: variant.options for variant in found.variants},
    }
    return write_table_files(folder or found.folder, ablation_tables(found), rows, content, name="ablation")


def ablation_tables(found: Ablation) -> list[Table]:
    """One table: what is changed, how it scores, whether that is more than chance, and what it costs."""
    pairs = list(zip(found.variants, found.comparison.methods, strict=True))
    return [
        Table(
            title="One component changed at a time",
            columns=(
                "Variant",
                "What is changed",
                "Weighted F1",
                "Difference",
                "p (Holm)",
                "Parameters",
                "FLOPs per clip",
                "ms per clip",
                "Peak memory, MiB",
            ),
            rows=tuple(_row(variant, method, found.costs[variant.name]) for variant, method in pairs),
            words=2,
            notes=_notes(found),
        )
    ]


def flat_rows(found: Ablation) -> list[dict[str, Any]]:
    """A row per variant; fractions, not percent."""
    rows = []
    for variant, method in zip(found.variants, found.comparison.methods, strict=True):
        score, versus = method.metrics[METRIC], method.versus.get(METRIC)
        rows.append(
            {
                "variant": variant.name,
                "what": variant.what,
                "runs": method.runs,
                "weighted_f1": score.value,
                "low": score.low,
                "high": score.high,
                "sd": score.sd,
                "difference": versus.paired.difference if versus else None,
                "p_holm": versus.corrected if versus else None,
                **asdict(found.costs[variant.name]),
            }
        )
    return rows


def _row(variant: Variant, method: MethodScores, cost: Cost) -> tuple[Cell, ...]:
    flags = flags_of(method.facts.optimistic, method.facts.synthetic)
    versus = method.versus.get(METRIC)
    return (
        Cell(variant.name),
        Cell(variant.what),
        Cell(method.metrics[METRIC].text(), flags=flags),
        Cell(MISSING if versus is None else difference_estimate(METRIC, versus).text()),
        Cell(MISSING if versus is None else p_text(versus.corrected)),
        Cell(f"{cost.parameters:,}"),
        Cell(count_text(cost.flops)),
        Cell(f"{cost.milliseconds:.1f}"),
        Cell(MISSING if cost.peak_mib is None else f"{cost.peak_mib:.0f}"),
    )


def _notes(found: Ablation) -> tuple[str, ...]:
    comparison = found.comparison
    runs = comparison.methods[0].runs
    devices = sorted({cost.device for cost in found.costs.values()})
    return (
        f"{counted(comparison.n, 'test utterance')} in {counted(comparison.groups, 'dialogue')}; "
        f"{counted(runs, 'run')} of each "
        "variant. The difference is to the full system on the same utterances, with a 95 % interval from resampled "
        "dialogues; it does not say what other seeds would give.",
        f"Without encoders whose features were made beforehand. Time is of a forward pass, memory of a forward and a "
        f"backward pass beyond the loaded model, for one clip on {', '.join(devices)}.",
        *(f"{name} failed: {why}." for name, why in found.failures.items()),
    )
