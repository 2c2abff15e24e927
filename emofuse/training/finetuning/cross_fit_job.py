"""All encoders of a cross-fitting, one after the other or several at once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

from emofuse.data.atomic import write_text_aside
from emofuse.data.stored_files import stored_json
from emofuse.encoders.cross_fitted import CROSS_FIT_FILE, CrossFitRecord, part_folder
from emofuse.encoders.fine_tuning import read_fine_tuned
from emofuse.errors import EmofuseError
from emofuse.evaluation import Split
from emofuse.runs.folder_lock import locked_folder
from emofuse.runs.processes import run_in_processes
from emofuse.runs.threads import torch_threads
from emofuse.training.checkpoints import drop_checkpoints
from emofuse.training.finetuning.claims import claim_tuning
from emofuse.training.finetuning.cross_fitting import (
    cross_fit_groups,
    fine_tune_held_out,
    part_without,
    weighted_f1,
)
from emofuse.training.finetuning.job import FineTuned, TuningJob
from emofuse.training.finetuning.judging import Judgement
from emofuse.training.finetuning.weight_mean import mean_of_encoders

_HELD_OUT_FILE = "held_out.json"


def cross_fit(job: TuningJob, split: Split, count: int, jobs: int) -> FineTuned:
    """Fine-tune once per group without it, then on all or take the mean; what was finished before is kept."""
    groups, kind = cross_fit_groups(
        job.manifest, split.train, count, job.seed, by_speaker=job.protocol in ("speaker", "session")
    )
    if jobs > 1:
        _tune_parts_at_once(job, split, groups, count, jobs)

    def without(number: int, part: Split) -> Judgement:
        return _tune_part(job, number, part)

    held_out = fine_tune_held_out(split, groups, without)

    def keep_record(judged: Mapping[str, Judgement]) -> None:
        record = CrossFitRecord(
            held_out=groups,
            count=count,
            grouped_by=kind,
            trained_f1=weighted_f1(judged["train"]),
            held_out_f1=weighted_f1(held_out),
            rest=job.settings.cross_fit_rest,
        )
        write_text_aside(job.folder / CROSS_FIT_FILE, record.model_dump_json() + "\n")

    parts = [part_folder(job.folder, number) for number in range(count)]
    mean = partial(mean_of_encoders, parts, job.spec.modality, job.manifest.labels, job.settings)
    return job.tune(split, keep_record, mean if job.settings.cross_fit_rest == "mean" else None)


def _tune_part(job: TuningJob, number: int, part: Split) -> Judgement:
    """One encoder of a cross-fitting, unless it is there already, and what it says of its group."""
    alone = job.settings.model_copy(update={"cross_fit": None, "cross_fit_rest": "all"})
    spec = job.spec.model_copy(update={"finetune": alone})
    folder = part_folder(job.folder, number)

    def keep(judged: Mapping[str, Judgement]) -> None:
        write_text_aside(folder / _HELD_OUT_FILE, json.dumps(judged.get("test", {})) + "\n")

    with locked_folder(folder):
        claim_tuning(folder, spec, job.manifest, part, job.seed, resume=True)
        if read_fine_tuned(folder) is None:
            replace(job, spec=spec, settings=alone, folder=folder).tune(part, keep)
        else:
            drop_checkpoints(folder / "checkpoints")  # a kill may have come just before
    held = stored_json(folder / _HELD_OUT_FILE, "fine-tune again")
    return {name: (true, said) for name, (true, said) in held.items()}


def _tune_parts_at_once(
    job: TuningJob, split: Split, groups: Mapping[str, int], count: int, jobs: int
) -> None:
    """Several encoders of a cross-fitting at once; one that fails is tried again by itself afterwards, which says why."""
    quiet = replace(job, progress=None)
    tasks = {
        part_folder(job.folder, number): partial(
            _part_process, quiet, number, part_without(split, groups, number), torch.get_num_threads()
        )
        for number in range(count)
        if read_fine_tuned(part_folder(job.folder, number)) is None
    }
    done = 0

    def finished(folder: Path, exit_code: int) -> None:
        nonlocal done
        done += 1
        if job.progress is not None:
            job.progress(done, len(tasks), "encoders of the cross-fitting")

    if len(tasks) > 1:
        run_in_processes(tasks, jobs, finished=finished)


def _part_process(job: TuningJob, number: int, part: Split, threads: int, folder: Path) -> None:
    with torch_threads(threads):
        try:
            _tune_part(job, number, part)
        except EmofuseError:
            raise SystemExit(2) from None
