"""``emofuse info``: what a run is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command(name="info", help="Describe a run folder.\n\nExample: `emofuse info runs/first`")(info)


def info(
    run: Annotated[Path, typer.Argument(help="run folder, starter, or org/name on the hub")],
    as_json: Annotated[bool, typer.Option("--json", help="print run.json")] = False,
) -> None:
    """Print what was trained, on what, with which encoders, and how it scored."""
    from emofuse.runs.named_run import run_folder_of
    from emofuse.runs.stored_results import read_metrics

    folder = run_folder_of(run)
    record = folder.read_record()
    if as_json:
        typer.echo(record.model_dump_json(by_alias=True, indent=2))
        return
    flag = (
        " (optimistic: the same speakers and dialogues stand in training and test)"
        if record.optimistic
        else ""
    )
    typer.echo(f"system      {record.model_name}, {record.parameters:,} parameters")
    if (linear := folder.read_linear()) is not None:
        typer.echo(f"pooled with {linear.name}: {linear.kind}, weight {linear.weight:g}")
    typer.echo(f"modalities  {', '.join(record.model_config_['modalities'])}")
    typer.echo(f"task        {record.task}: {', '.join(record.labels)}")
    for modality, part in record.encoders.items():
        typer.echo(f"encoder     {modality}: {part.identity.name} ({part.identity.digest})")
    typer.echo(f"protocol    {record.protocol}{flag}")
    typer.echo(f"data        {record.data_fingerprint[:16]}{' (synthetic)' if record.synthetic else ''}")
    typer.echo(f"seed        {record.seed}; best epoch {record.best_epoch}; status {record.status}")
    typer.echo(
        f"made with   emofuse {record.emofuse}, torch {record.packages.get('torch', '?')}, Python {record.python}"
    )
    metrics = folder.path / "metrics.json"
    if metrics.exists():
        test = read_metrics(metrics, f"run `emofuse evaluate {run}`")["test"]
        typer.echo(f"test        {_score(test)}")


def _score(test: dict[str, Any]) -> str:
    shown = [("weighted F1", "weighted_f1", 100, 1), ("accuracy", "accuracy", 100, 1)]
    if "weighted_f1" not in test:
        shown = [("MAE", "mae", 1, 3), ("Corr", "corr", 1, 3), ("Acc-7", "acc7", 100, 1)]
    return ", ".join(f"{name} {_number(test.get(key), times, digits)}" for name, key, times, digits in shown)


def _number(value: float | None, times: int, digits: int) -> str:
    return "undefined" if value is None else f"{times * value:.{digits}f}"
