"""What a prediction needs of a run, as a folder that can be given away."""

from __future__ import annotations

import json
import platform
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd
from huggingface_hub import HfApi

from emofuse.data.atomic import kept_if_complete, write_text_aside, written_aside
from emofuse.data.output_paths import check_new_folder
from emofuse.errors import EmofuseError
from emofuse.inference.exporting.places import is_export
from emofuse.inference.reporting.counts_alone import change_without_ids, flag_without_ids
from emofuse.inference.reporting.model_card import CARD_FILE, model_card
from emofuse.runs.hub import COPIED_FILES, ENCODER_FILES, hub_failure, is_repo_id
from emofuse.runs.run_folder import RunFolder
from emofuse.runs.run_record import RunRecord
from emofuse.runs.settings import RunSettings
from emofuse.runs.stored_results import read_metrics, read_predictions


def save_run(run: RunFolder, folder: Path, *, licence: str | None = None) -> Path:
    """Copy what a prediction needs of a run, and write a model card.

    Paths of this machine are left out of the settings. Of predictions.parquet the probabilities and labels of the
    validation part stay, and which modalities each row has. Sets of labels are calibrated on them. Numbers stand in the
    place of ids.

    Args:
        run: that has been trained.
        folder: new, or empty.
        licence: for the card.

    Raises:
        EmofuseError: the run is an exported one or has not been trained, or the folder holds something or cannot be written.
    """
    _check_whole(run)
    check_new_folder(folder)
    if folder.is_dir() and any(folder.iterdir()):
        raise EmofuseError(f"{folder}: holds something already; name a new folder")
    with kept_if_complete(folder):
        folder.mkdir(parents=True, exist_ok=True)
        record = _copy_encoders(run, run.read_record(), folder)
        # Of the other files only what says nothing of the machine and of single utterances is kept.
        for name in COPIED_FILES:
            if (run.path / name).is_file():
                with written_aside(folder / name) as aside:
                    shutil.copyfile(run.path / name, aside)
        copy = RunFolder(folder)
        copy.write_settings(_without_paths(run.read_settings()))
        copy.write_record(_plain_record(record))
        if run.predictions_file.is_file() and record.task == "classification":
            _copy_validation(run, record, copy)
        if (run.path / "metrics.json").is_file():
            metrics = read_metrics(run.path / "metrics.json", f"run `emofuse evaluate {run.path}`")
            write_text_aside(folder / "metrics.json", json.dumps(_without_examples(metrics), indent=1) + "\n")
        write_text_aside(folder / CARD_FILE, model_card(run, licence=licence))
    return folder


def publish_run(
    run: RunFolder,
    repo_id: str,
    *,
    private: bool = True,
    token: str | None = None,
    licence: str | None = None,
    api: Any = None,
) -> str:
    """Put what :func:`save_run` copies on the Hugging Face hub, in one commit.

    Args:
        run: that has been trained.
        repo_id: ``"org/name"``; made where it is not there.
        private: whether a repository that is made is for its owners alone.
        token: by default the one that ``hf auth login`` has stored.
        licence: for the card.
        api: a huggingface_hub.HfApi.

    Returns:
        The address of the commit.

    Raises:
        EmofuseError: as :func:`save_run`; or the name is none, or the hub refuses or cannot be reached.
    """
    if not is_repo_id(repo_id):
        raise EmofuseError(f"{repo_id!r}: a run on the hub is named org/name, in letters, digits and . _ -")
    with tempfile.TemporaryDirectory(prefix="emofuse-") as place:
        folder = save_run(run, Path(place) / "run", licence=licence)
        hub = api if api is not None else HfApi(token=token)
        try:
            hub.create_repo(repo_id, private=private, exist_ok=True, repo_type="model")
            commit = hub.upload_folder(
                repo_id=repo_id,
                folder_path=str(folder),
                repo_type="model",
                commit_message="A run of emofuse",
            )
        except Exception as error:  # the HTTP library's own errors differ between versions
            raise EmofuseError(f"{repo_id}: {hub_failure(error)}") from None
    return str(getattr(commit, "commit_url", commit))


def _check_whole(run: RunFolder) -> None:
    if is_export(run.path):
        raise EmofuseError(
            f"{run.path}: is an exported run, which has a program in the place of weights; load the run that it was made of, "
            "without backend='onnx', and save or push that"
        )
    RunFolder.open(run.path)


def _copy_encoders(run: RunFolder, record: RunRecord, folder: Path) -> RunRecord:
    """Copy the files of encoders that the run keeps; the record then names no place of this machine."""
    encoders = dict(record.encoders)
    for modality, part in record.encoders.items():
        kept = run.encoder_folder(modality)
        if not kept.is_dir():
            continue
        target = folder / "encoders" / modality
        target.mkdir(parents=True)
        for file in sorted(file for pattern in ENCODER_FILES for file in kept.glob(pattern)):
            with written_aside(target / file.name) as aside:
                shutil.copyfile(file, aside)
        if Path(part.spec.name).is_absolute() or Path(part.spec.name).exists():  # a place of this machine
            encoders[modality] = part.model_copy(
                update={"spec": part.spec.model_copy(update={"name": modality})}
            )
    return record.model_copy(update={"encoders": encoders})


def _without_paths(settings: RunSettings) -> RunSettings:
    data = settings.data
    names = {
        name: Path(value.name) if value is not None else None
        for name, value in (("manifest", data.manifest), ("features", data.features))
    }
    plain = data.model_copy(update={**names, "stage_one": None, "frame_cache": None})
    encoders = {
        modality: spec.model_copy(
            update={"name": Path(spec.name).name if Path(spec.name).is_absolute() else spec.name}
        )
        for modality, spec in settings.encoders.items()
    }
    return settings.model_copy(update={"data": plain, "encoders": encoders})


def _plain_record(record: RunRecord) -> RunRecord:
    command = [Path(word).name if "/" in word or "\\" in word else word for word in record.command]
    return record.model_copy(update={"command": command, "platform": platform.machine()})


def _copy_validation(run: RunFolder, record: RunRecord, copy: RunFolder) -> None:
    advice = f"run `emofuse evaluate {run.path}`"
    table = read_predictions(run.predictions_file, record.task, record.labels, advice)
    table = table[table["part"] == "val"].reset_index(drop=True)
    numbers = pd.Series([f"v{i}" for i in range(len(table))], dtype=object)
    kept = ["part", "label", "predicted", *(f"p_{label}" for label in record.labels)]
    kept += [name for name in map(str, table) if name.startswith("has_")]  # what sets of labels go by
    with written_aside(copy.predictions_file) as aside:
        table[kept].assign(id=numbers, dialogue=numbers).to_parquet(aside, index=False)


def _without_examples(metrics: dict[str, Any]) -> dict[str, Any]:
    """Scores and flags; what the parts share and what has changed is counted, and no longer named."""
    audit = metrics.get("audit") or {}
    kept = {name: audit[name] for name in ("sizes", "flags") if name in audit}
    if "flags" in kept:
        kept["flags"] = [flag_without_ids(str(flag)) for flag in kept["flags"] or ()]
    change = (
        {"corpus_change": change_without_ids(str(text))} if (text := metrics.get("corpus_change")) else {}
    )
    return metrics | {"run": "", "audit": kept} | change
