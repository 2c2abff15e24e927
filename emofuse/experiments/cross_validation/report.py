"""A cross-validation as a page: mean and spread over the folds, the pooled confusion matrix, each fold."""

from __future__ import annotations

from emofuse.data.manifest import Manifest
from emofuse.data.wording import counted
from emofuse.evaluation import PROTOCOLS, ClassificationReport
from emofuse.evaluation.protocols.audit_folds import audit_protocol
from emofuse.evaluation.reporting.report import ComparisonRow, ReportFiles, RunReport, write_report
from emofuse.evaluation.reporting.report_rows import class_scores, headline, metric_name
from emofuse.experiments.cross_validation.folds import Fold
from emofuse.experiments.cross_validation.run import CrossValidation
from emofuse.inference.few_rows import few_rows_line
from emofuse.inference.reporting.run_figures import class_figures
from emofuse.inference.reporting.run_report import baseline_rows, pool_rows
from emofuse.runs.run_record import environment
from emofuse.runs.tasks import task_of


def write_cross_report(
    outcome: CrossValidation, manifest: Manifest, *, title: str | None = None
) -> ReportFiles:
    """Write report.html, report.md and figures/ into the folder of a cross-validation.

    Args:
        outcome: of :func:`emofuse.experiments.cross_validation.run.cross_validate`.
        manifest: the corpus.
        title: of the page.
    """
    settings, pooled = outcome.settings, outcome.pooled
    data, made = settings.data, environment()
    protocol = PROTOCOLS[data.protocol]
    audited = audit_protocol(
        task_of(settings, manifest).labelled(manifest),
        data.protocol,
        k=data.folds,
        seed=data.split_seed,
        val_fraction=data.val_fraction,
        modalities=outcome.modalities,
    )
    corpus = data.manifest.parent.name if data.manifest else "a corpus"
    report = RunReport(
        title=title or f"{outcome.title} on {corpus}, {len(outcome.folds)} folds",
        command=" ".join(made["command"]),
        synthetic=outcome.synthetic,
        summary=_summary(outcome),
        protocol=protocol,
        headline=headline(outcome.means) if outcome.means is not None else {},
        classes=class_scores(pooled) if isinstance(pooled, ClassificationReport) else (),
        comparison=[
            *_rows_over_all(outcome, protocol.optimistic),
            *[_row(fold, protocol.optimistic) for fold in outcome.folds],
        ],
        configuration=settings.model_dump(mode="json"),
        audit=audited.lines(),
        audit_flags=audited.warnings(),
        figures=list(class_figures(pooled, outcome.folder / "figures", of="all folds together"))
        if isinstance(pooled, ClassificationReport)
        else (),
        environment={
            "emofuse": made["emofuse"],
            "Python": made["python"],
            "platform": made["platform"],
            **made["packages"],
        },
        notes=[
            *[
                f"Fold {fold.number} failed and is not in the figures: {fold.failure}"
                for fold in outcome.failed
            ],
            *(
                f"{line[0].upper()}{line[1:]}."
                for line in (few_rows_line(outcome.pooled.n) if outcome.pooled else "", outcome.transductive)
                if line
            ),
            *(f"{line[0].upper()}{line[1:]}." for line in (outcome.pool.lines() if outcome.pool else ())),
        ],
    )
    return write_report(report, outcome.folder)


def _summary(outcome: CrossValidation) -> str:
    if outcome.means is None or outcome.pooled is None:
        return "No fold came to an end."
    name, score = next(iter(headline(outcome.means).items()))
    first = f"{outcome.verdict}. " if outcome.verdict else ""
    return (
        f"{first}{outcome.means.runs} of {len(outcome.folds)} folds, {counted(outcome.pooled.n, 'utterance')}, each judged once "
        f"by a run that was not trained on it. {metric_name(name)} {score.value_text()} on average over the folds. Scores are "
        "mean ± standard deviation over folds; classes and the confusion matrix are of all folds together, with "
        "intervals over dialogues."
    )


def _rows_over_all(outcome: CrossValidation, optimistic: bool) -> list[ComparisonRow]:
    """The system and the linear models on the same utterances: those of all folds that came to an end."""
    if outcome.pooled is None:
        return []
    name = f"{outcome.title}, all folds together"
    own = ComparisonRow(name, headline(outcome.pooled), optimistic, counted(outcome.pooled.n, "utterance"))
    return [own, *pool_rows(outcome.pool, optimistic), *baseline_rows(outcome.baselines, optimistic)]


def _row(fold: Fold, optimistic: bool) -> ComparisonRow:
    name = f"fold {fold.number}"
    if fold.report is None:
        return ComparisonRow(name, {}, note=f"failed: {fold.failure}")
    record = fold.folder.read_record()
    note = f"{counted(fold.report.n, 'utterance')}; epoch {(record.best_epoch or 0) + 1}; {record.fit_seconds or 0:.0f} s"
    return ComparisonRow(name, headline(fold.report), optimistic=optimistic, note=note)
