"""Fine-tune an encoder on the training part of a split, and keep it with a record of what it has seen."""

from __future__ import annotations

import shutil
from pathlib import Path

from emofuse.data.manifest import Manifest
from emofuse.encoders.fine_tuning import VOICE_TRAINING, FineTuneSettings, read_fine_tuned, training_settings
from emofuse.encoders.spec import EMBEDDED, UNTRAINED, VOICE_CNN, EncoderSpec
from emofuse.errors import EmofuseError
from emofuse.evaluation import Split
from emofuse.runs.corpus import Progress
from emofuse.runs.folder_lock import locked_folder
from emofuse.runs.settings import LARGEST_SEED, usual_threads
from emofuse.runs.threads import torch_threads
from emofuse.training.checkpoints import drop_checkpoints
from emofuse.training.finetuning.claims import claim_tuning
from emofuse.training.finetuning.cross_fit_job import cross_fit
from emofuse.training.finetuning.job import FineTuned, TuningJob
from emofuse.training.finetuning.parts import READING

__all__ = ["FineTuned", "fine_tune"]

_CROPS = "crops"


def fine_tune(
    spec: EncoderSpec,
    manifest: Manifest,
    split: Split,
    folder: Path,
    *,
    seed: int = 0,
    device: str = "cpu",
    workers: int = 0,
    threads: int | None = None,
    protocol: str | None = None,
    fold: int | None = None,
    resume: bool = False,
    jobs: int = 1,
    wait: bool = False,
    progress: Progress | None = None,
) -> FineTuned:
    """Fine-tune the model that ``spec`` names to tell the manifest's labels apart.

    Weights are fitted to the training part alone; the validation part chooses the epoch; the test part, where
    there is one, is read once, at the end, and only to be scored.

    Args:
        spec: a pretrained text, speech or image model, or ``"face-cnn"`` or ``"voice-cnn"``, small networks of faces and
            of voices that start from nothing, with ``finetune`` settings (or the defaults).
        manifest: a validated corpus.
        split: its training, validation and test ids; the test part may be empty.
        folder: becomes a model folder of transformers with split.json, history.csv and metrics.json besides.
        seed: of the head, the order and the augmentation; as a run's, from 0 to 2³² - 1.
        device: ``"cpu"`` or ``"cuda"``.
        workers: processes that read sound and pictures.
        threads: processor threads that it computes with; see `usual_threads`.
        protocol: that made the split, for the record.
        fold: of that protocol.
        resume: take up an interrupted fine-tuning after its last whole epoch; a finished one is returned.
        jobs: of a cross-fitting, encoders at once, each in a process of its own, as far as memory allows.
        wait: for another job that fine-tunes in this folder, instead of refusing.
        progress: called with (done, total, what).

    Raises:
        EmofuseError: the seed is no such number, the folder is taken, the model cannot be fine-tuned, or a part has
            nothing of its modality that can be read.
    """
    if not 0 <= seed <= LARGEST_SEED or seed != int(seed):
        raise EmofuseError(f"finetune: seed {seed}: give a whole number from 0 to {LARGEST_SEED}")
    settings = _settings_of(spec)
    spec = _checked(spec).model_copy(update={"finetune": settings})
    with torch_threads(threads or usual_threads()), locked_folder(folder, wait=wait):
        claim_tuning(folder, spec, manifest, split, seed, resume)
        crops = folder / _CROPS
        done = read_fine_tuned(folder)
        if done is not None:
            drop_checkpoints(folder / "checkpoints")  # a kill may have come just before
            tuned = FineTuned(folder, done)
        else:
            job = TuningJob(
                spec, settings, manifest, folder, crops, seed, device, workers, protocol, fold, progress
            )
            count = settings.cross_fit
            tuned = job.tune(split) if count is None else cross_fit(job, split, count, jobs)
        shutil.rmtree(crops, ignore_errors=True)
        return tuned


def _checked(spec: EncoderSpec) -> EncoderSpec:
    if spec.modality not in READING:
        raise EmofuseError(f"finetune {spec.modality}: stage 1 fine-tunes text, audio and video encoders")
    reads = UNTRAINED.get(spec.name, spec.modality)
    if reads != spec.modality:
        raise EmofuseError(f"encoder {spec.name}: reads {reads}, not {spec.modality}")
    if spec.name in EMBEDDED:
        raise EmofuseError(
            f"encoder {spec.name}: is embedded and has nothing to fine-tune; name a pretrained model"
        )
    if (
        spec.pooling == "tokens" and spec.modality != "video"
    ):  # of video it says what the system is given later
        raise EmofuseError(f"encoder {spec.name}: a classifier needs one vector; use pooling cls or mean")
    if spec.pooling == "cls" and spec.modality != "text":
        what = "speech" if spec.modality == "audio" else "video"
        raise EmofuseError(f"encoder {spec.name}: {what} has no CLS token; use pooling mean")
    return spec


def _settings_of(spec: EncoderSpec) -> FineTuneSettings:
    if spec.name not in UNTRAINED:
        return spec.finetune or FineTuneSettings()
    changed = spec.finetune.model_dump(exclude_unset=True) if spec.finetune else {}
    usual = dict(VOICE_TRAINING) if spec.name == VOICE_CNN else {}
    return training_settings(**(usual | changed))
