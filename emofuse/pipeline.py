"""A raw clip in, emotions out.

pipe = EmotionPipeline.from_pretrained("runs/demo")
for segment in pipe("clip.mp4", text="I can't believe it!"):
    print(segment.start, segment.end, segment.label, segment.probabilities)
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from emofuse.data import Modality
from emofuse.errors import EmofuseError
from emofuse.inference.calibration import read_calibration
from emofuse.inference.exporting.places import exported_below, is_export
from emofuse.inference.familiarity import read_familiarity
from emofuse.inference.recording_pipeline import MediaInput, RecordingOptions, RecordingPipeline
from emofuse.inference.segments import EmotionSegment
from emofuse.inference.timeline import EmotionTimeline
from emofuse.inference.utterance_pipeline import Progress
from emofuse.runs.corpus import choose_device
from emofuse.runs.modalities import IMPORTED
from emofuse.runs.named_run import is_starter, run_folder_of, run_place
from emofuse.runs.normalisation import normalised_by, read_statistics
from emofuse.runs.precision import Precision, wants_bf16
from emofuse.runs.run_encoders import encoder_for_predictions
from emofuse.runs.run_folder import RunFolder
from emofuse.runs.run_record import RunRecord
from emofuse.starter import LICENCE, STARTER

__all__ = [
    "SYNTHETIC_RUN",
    "EmotionPipeline",
    "EmotionSegment",
    "EmotionTimeline",
    "MediaInput",
    "Progress",
    "RecordingOptions",
    "run_folder_of",
]

SYNTHETIC_RUN = "This run has learnt from synthetic clips; on real people it only guesses."


class EmotionPipeline(RecordingPipeline):
    """A trained run, ready for raw media.

    Args:
        model: the system with its weights.
        record: run.json of the run.
        encoders: modality → the encoder that made the run's features.
        device: where to compute.
        temperature: logits are divided by it; that of the run's calibration.
        data: how much of a dialogue or a sequence is taken at once, and what is standardised.
        familiarity: modality, or "frames" for pictures that the system reads itself, → what its training features look like.
        folder: where the run lies; sets of labels are read from there.
        statistics: modality → the training part's, of those that are standardised per speaker or recording.
        notes: what a reader of predictions must know, a sentence each.
        autocast: reduced precision of the system, or None.
    """

    @classmethod
    def from_pretrained(
        cls,
        run_dir: Path | str,
        device: str = "auto",
        backend: Literal["auto", "torch", "onnx"] = "auto",
        *,
        revision: str | None = None,
        token: str | None = None,
        precision: Precision = "32",
        modalities: Collection[Modality] | None = None,
    ) -> EmotionPipeline:
        """Load a run folder; nothing else is needed.

        Args:
            run_dir: of a run; ``"starter"``, where no run of that name is there, is the one that comes by pip, and
                ``"org/name"``, where no folder of that name is there, one on the Hugging Face hub. Of the latter only
                weights, settings and tables are fetched, and nothing of it is executed.
            device: where to compute.
            backend: what computes the system: "torch" its network, "onnx" the program that `emofuse export` made of it,
                found as ``run_dir`` or as ``export`` in it; by default what ``run_dir`` is.
            revision: branch, tag or commit on the hub.
            token: for the hub; by default the one that ``hf auth login`` has stored.
            precision: of the system; ``"bf16"`` rounds what it multiplies to bfloat16, ``"auto"`` does so on GPUs that can.
            modalities: whose encoders are loaded; by default all. What another one would read is left out.

        Raises:
            EmofuseError: ``run_dir`` is not a finished run or its export, its encoders cannot be loaded, or the hub has no
                such run or cannot be reached.
        """
        comes_by_pip = is_starter(run_dir)
        place = run_place(run_dir, revision, token)
        if backend == "onnx" or (backend == "auto" and is_export(place)):
            if precision == "bf16":
                raise EmofuseError(
                    "precision bf16: an exported program computes in what it was exported in; leave it out"
                )
            folder, where = RunFolder(exported_below(place)), "cpu"
            record = folder.read_record()
            model: nn.Module = _exported_system(folder.path, record)
        else:
            folder, where = RunFolder.open(place), choose_device(device)
            record = folder.read_record()
            model = folder.load_model(record)
        encoders = {
            modality: encoder_for_predictions(folder, record, modality, where)
            for modality, part in record.encoders.items()
            if part.spec.name != IMPORTED and (modalities is None or modality in modalities)
        }
        calibration = read_calibration(folder)
        temperature = calibration.temperature if calibration else 1.0
        # The corpus's frames are kept for its epochs; those of a clip to predict are read once.
        settings = folder.read_settings()
        data = settings.data.model_copy(update={"frame_cache": None})
        statistics = {
            m: read_statistics(folder, record, m) for m in normalised_by(settings.data, record.encoders)
        }
        familiarity = read_familiarity(folder)
        notes = _notes(record, of_starter=comes_by_pip)
        half = torch.bfloat16 if wants_bf16(precision, where) else None
        return cls(
            model, record, encoders, where, temperature, data, familiarity, folder, statistics, notes, half
        )

    def save_pretrained(self, folder: Path | str) -> Path:
        """Copy what a prediction needs, with a model card; see :func:`emofuse.inference.portable.save_run`.

        Args:
            folder: new, or empty.

        Raises:
            EmofuseError: the pipeline was not loaded from a run folder, or the folder holds something already.
        """
        from emofuse.inference.portable import save_run

        return save_run(self._loaded_from("save_pretrained"), Path(folder))

    def push_to_hub(
        self,
        repo_id: str,
        *,
        private: bool = True,
        token: str | None = None,
        licence: str | None = None,
        api: Any = None,
    ) -> str:
        """Put what a prediction needs, with a model card, on the Hugging Face hub.

        Args:
            repo_id: ``"org/name"``; made where it is not there.
            private: whether a repository that is made is for its owners alone.
            token: by default the one that ``hf auth login`` has stored.
            licence: for the card, an identifier such as ``"cc-by-nc-4.0"``; the corpus's licence says which it may be.
            api: of huggingface_hub, where one is at hand.

        Returns:
            The address of the commit.

        Raises:
            EmofuseError: the hub refuses, or cannot be reached; nothing of a half upload is seen there.
        """
        from emofuse.inference.portable import publish_run

        return publish_run(
            self._loaded_from("push_to_hub"), repo_id, private=private, token=token, licence=licence, api=api
        )

    def _loaded_from(self, what: str) -> RunFolder:
        if self.folder is None:
            raise EmofuseError(f"{what}: needs a run folder; load the run with from_pretrained")
        return self.folder

    @classmethod
    def from_experts(
        cls,
        *,
        text: str | None = None,
        audio: str | None = None,
        video: str | None = None,
        run: Path | str | None = STARTER,
        label_map: Mapping[str, str | None] | Path | str | None = None,
        trust: Mapping[Modality, float] | None = None,
        faces: bool = True,
        device: str = "auto",
    ) -> EmotionPipeline:
        """Classifiers of transformers by name or folder, in the late fusion of a run or alone.

        A warning names each that may have to be fetched before anything is. No code of theirs runs.

        Args:
            text: a sequence classifier; behind an @ a branch, tag or commit of the hub.
            audio: an audio classifier.
            video: an image classifier; the mean over pictures is taken.
            run: of a late fusion, in which they stand in for their modalities; None for a fusion of them alone.
            label_map: what their classes count as, beside the names that are known: label → label of the run, or None or
                "drop" to leave it out; or such a map in words or as a file, see `emofuse predict --label-map`.
            trust: modality → weight in the opinion pool; by default that of the run, or 1.
            faces: an image classifier is shown the faces that MTCNN finds (extra ``faces``), and no whole pictures.
            device: where to compute.

        Raises:
            EmofuseError: nothing is named, something named cannot be had, or a class counts as no label.
        """
        from emofuse.inference.expert_fusion import expert_spec, fuse_experts
        from emofuse.inference.expert_labels import read_given

        named: dict[Modality, str | None] = {"text": text, "audio": audio, "video": video}
        specs = [expert_spec(m, name, faces=faces) for m, name in named.items() if name is not None]
        if not specs:
            raise EmofuseError("no expert was named: give text, audio or video")
        fused = fuse_experts(
            specs,
            None if run is None else RunFolder.open(run_place(run)),
            device=choose_device(device),
            label_map=read_given(label_map),
            trust=trust,
        )
        made = cls(
            fused.model,
            fused.record,
            fused.encoders,
            choose_device(device),
            fused.temperature,
            fused.data,
            fused.familiarity,
            statistics=fused.statistics,
            notes=_notes(fused.record, of_starter=run is not None and is_starter(run)),
        )
        made.expert_lines = fused.lines
        return made


def _notes(record: RunRecord, *, of_starter: bool) -> list[str]:
    return [LICENCE] * of_starter + [SYNTHETIC_RUN] * record.synthetic


def _exported_system(folder: Path, record: RunRecord) -> nn.Module:
    from emofuse.inference.exporting.runtime import exported_system

    return exported_system(folder, record)
