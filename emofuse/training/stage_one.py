"""Stage 1 of a run: encoders that its settings want fine-tuned, and the refusal of those that have seen its test."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping

from emofuse.data import Modality
from emofuse.data.manifest import Manifest
from emofuse.encoders import EncoderSpec
from emofuse.encoders.fine_tuning import read_fine_tuned
from emofuse.encoders.packaged import record_folder
from emofuse.errors import EmofuseError
from emofuse.evaluation import Split
from emofuse.evaluation.protocols.same_utterances import utterance_marks
from emofuse.runs.corpus import Progress, choose_device
from emofuse.runs.corpus_identity import CorpusIdentity
from emofuse.runs.run_folder import RunFolder
from emofuse.runs.settings import RunSettings


def encoders_of_run(
    settings: RunSettings,
    manifest: Manifest,
    split: Split,
    folder: RunFolder,
    chosen: Mapping[Modality, EncoderSpec],
    progress: Progress | None = None,
) -> dict[Modality, EncoderSpec]:
    """The chosen encoders, fine-tuned on this split where their settings want it so.

    A fine-tuned encoder is kept in the run folder, or, where ``data.stage_one`` names a folder that several runs
    share, there, under a name that differs whenever split, data or settings do; so runs on the same fold with
    other modalities fine-tune once, and one that comes meanwhile waits. An interrupted fine-tuning is taken up.

    Raises:
        EmofuseError: an encoder was fitted to, or chosen by, utterances of the run's test part.
    """
    specs = {}
    for modality, spec in chosen.items():
        if spec.finetune is not None:
            spec = _fine_tuned(spec, settings, manifest, split, folder, progress)
        specs[modality] = spec
    refuse_seen_test(specs, manifest, split)
    return specs


def refuse_seen_test(specs: Mapping[Modality, EncoderSpec], manifest: Manifest, split: Split) -> None:
    """Stop a run whose test part an encoder was fine-tuned on.

    Raises:
        EmofuseError: it was; how many utterances are concerned is said.
    """
    for modality, spec in specs.items():
        seen = seen_by(spec, manifest, split.test)
        if seen:
            raise EmofuseError(
                f"leak: the {modality} encoder {spec.name} was fine-tuned on {len(seen)} of the {len(split.test)} "
                f"utterances of this run's test part ({seen[0]} among them); fine-tune it on this run's training part "
                "(setting encoders.<modality>.finetune does so in every fold), or use the split that it was tuned on"
            )


def seen_by(spec: EncoderSpec, manifest: Manifest, ids: Iterable[str]) -> list[str]:
    """Those utterances that an encoder's weights were fitted to or chosen by, as far as it says.

    Args:
        spec: a fine-tuned encoder; any other has seen nothing that could be named.
        manifest: the corpus.
        ids: of its utterances.
    """
    record = read_fine_tuned(record_folder(spec.name))
    if record is None:
        return []
    seen = set(record.seen)
    return sorted(id for id, marks in utterance_marks(manifest, ids).items() if marks & seen)


def _fine_tuned(
    spec: EncoderSpec,
    settings: RunSettings,
    manifest: Manifest,
    split: Split,
    folder: RunFolder,
    progress: Progress | None,
) -> EncoderSpec:
    # Imported here because the library takes seconds to load, and most runs fine-tune nothing.
    from emofuse.training.finetuning import fine_tune

    target = folder.encoder_folder(spec.modality)
    if spec.end_to_end is not None:  # which comes after it, and has that place
        target = target.with_name(f"{spec.modality}-stage-one")
    if settings.data.stage_one is not None:
        target = settings.data.stage_one / f"{spec.modality}-{_key(spec, manifest, split, settings.seed)}"
    fine_tune(
        spec,
        manifest,
        split,
        target,
        seed=settings.seed,
        device=choose_device(settings.device),
        workers=settings.data.workers,
        threads=settings.threads,
        protocol=settings.data.protocol,
        fold=settings.data.fold,
        resume=True,
        wait=settings.data.stage_one is not None,
        progress=progress,
    )
    tuned = {"name": str(target), "revision": None, "finetune": None}
    if spec.modality == "video":  # which pictures are taken, and what of them, is not the model's to say
        return spec.model_copy(update=tuned)
    return EncoderSpec(
        modality=spec.modality,
        name=str(target),
        batch_size=spec.batch_size,
        max_seconds=spec.max_seconds,
        speech_only=spec.speech_only,
        end_to_end=spec.end_to_end,
    )


def _key(spec: EncoderSpec, manifest: Manifest, split: Split, seed: int) -> str:
    corpus = CorpusIdentity.of(manifest).digest
    # What is heard in predictions alone decides nothing of the training.
    decides = [spec.model_dump(mode="json", exclude={"speech_only"}), corpus, split.train, split.val, seed]
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:16]
