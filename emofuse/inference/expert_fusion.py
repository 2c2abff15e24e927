"""Named classifiers in a late fusion: alone, or in the place of single modalities of a run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from emofuse.data import MODALITIES, Modality
from emofuse.encoders import EncoderSpec
from emofuse.encoders.experts import Checkpoint, Opinions, create_expert, read_checkpoint
from emofuse.encoders.mtcnn_weights import mtcnn_folder
from emofuse.encoders.pretrained import is_hub_name
from emofuse.errors import EmofuseError
from emofuse.evaluation.metrics.familiarity import Familiarity
from emofuse.features import UtteranceEncoder
from emofuse.features.normalisation import TrainingStatistics
from emofuse.inference.calibration import read_calibration
from emofuse.inference.expert_labels import check_given, count_classes, map_lines
from emofuse.inference.familiarity import read_familiarity
from emofuse.models.late_fusion import LateFusion, LateFusionConfig
from emofuse.nn.feature_scaler import FeatureScaler
from emofuse.runs.modalities import IMPORTED
from emofuse.runs.normalisation import normalised_by, read_statistics
from emofuse.runs.run_encoders import as_asked, encoder_for_predictions, is_remote, tell_what_is_fetched
from emofuse.runs.run_folder import RunFolder
from emofuse.runs.run_record import EncoderRecord, RunRecord, environment
from emofuse.runs.settings import DataSettings

# The labels of experts that stand alone: those of the starter.
SEVEN = ("anger", "disgust", "fear", "joy", "neutral", "sadness", "surprise")
FRAMES = 8  # pictures of a clip that an image classifier looks at
_MOST_TRUST = 100.0


@dataclass(frozen=True)
class ExpertFusion:
    """A late fusion with named classifiers in it, ready to predict.

    Attributes:
        model: the system.
        record: as of a run.
        encoders: modality → the run's encoder, or the classifier.
        temperature: of the fused logits.
        data: settings of the run.
        familiarity: of the run's own modalities.
        statistics: of the run's own modalities.
        lines: what the classes of each classifier count as, in words.
    """

    model: LateFusion
    record: RunRecord
    encoders: dict[Modality, UtteranceEncoder]
    temperature: float = 1.0
    data: DataSettings = field(default_factory=DataSettings)
    familiarity: dict[str, Familiarity] = field(default_factory=dict)
    statistics: dict[Modality, TrainingStatistics] = field(default_factory=dict)
    lines: tuple[str, ...] = ()


def expert_spec(modality: Modality, name: str, *, faces: bool = True) -> EncoderSpec:
    """A classifier by name or folder; behind an @ a branch, tag or commit of the hub.

    Args:
        modality: that it reads.
        name: such as ``j-hartmann/emotion-english-distilroberta-base`` or ``NAME@main``.
        faces: an image classifier is shown faces in place of whole pictures.
    """
    revision = None
    if "@" in name and not Path(name).expanduser().exists():
        name, _, revision = name.partition("@")
    if not name or revision == "":
        raise EmofuseError(
            f"{modality} expert: name a folder, or a model on the hub as NAME or NAME@REVISION"
        )
    if modality == "video":
        return EncoderSpec(modality=modality, name=name, revision=revision, frames=FRAMES, faces=faces)
    return EncoderSpec(modality=modality, name=name, revision=revision)


def fuse_experts(
    specs: Sequence[EncoderSpec],
    run: RunFolder | None,
    *,
    device: str,
    label_map: Mapping[str, str | None] | None = None,
    trust: Mapping[Modality, float] | None = None,
) -> ExpertFusion:
    """Put classifiers into a late fusion.

    Args:
        specs: of the classifiers, one for a modality.
        run: of a late fusion, in which they stand in for their modalities; None for a fusion of them alone.
        device: where to compute.
        label_map: what their classes count as, beside what is known.
        trust: weights in the opinion pool; by default those of the run, or 1 for each.

    Raises:
        EmofuseError: the run is no late fusion over classes, a classifier cannot be had, or its classes are not understood.
    """
    _check_trust(trust or {}, specs)
    if run is not None:
        record = run.read_record()
        _check_run(run, record, specs)
    _name_remote(specs)
    checkpoints = {spec.modality: read_checkpoint(spec) for spec in specs}
    labels = SEVEN if run is None else tuple(record.labels)
    opinions = _opinions(checkpoints, labels, label_map or {})
    if run is None:
        labels, opinions = _without_unknown(labels, opinions)
    if any(spec.faces for spec in specs):
        mtcnn_folder()  # before weights are fetched
    encoders: dict[Modality, UtteranceEncoder] = {
        m: create_expert(checkpoint, opinions[m], device) for m, checkpoint in checkpoints.items()
    }
    lines = tuple(
        line
        for m, checkpoint in checkpoints.items()
        for line in map_lines(_called(checkpoint), checkpoint.labels, labels, opinions[m].counts_as)
    )
    parts = {
        spec.modality: EncoderRecord(spec=spec, identity=encoders[spec.modality].identity) for spec in specs
    }
    if run is None:
        return _alone(encoders, parts, labels, trust or {}, lines)
    return _within(run, record, encoders, parts, trust or {}, lines, device)


def _check_trust(trust: Mapping[Modality, float], specs: Sequence[EncoderSpec]) -> None:
    named = {spec.modality for spec in specs}
    for modality, weight in trust.items():
        if modality not in named:
            raise EmofuseError(f"trust: no {modality} expert was named")
        if not 0 < weight <= _MOST_TRUST:
            raise EmofuseError(f"trust: {modality}={weight:g} must be above 0 and at most {_MOST_TRUST:g}")


def _check_run(run: RunFolder, record: RunRecord, specs: Sequence[EncoderSpec]) -> None:
    if record.model_name != "late-fusion" or record.task != "classification":
        raise EmofuseError(
            f"{run.path}: experts by name stand in for modalities of a run of late-fusion over classes; this one is of "
            f"{record.model_name}: name another run, or use --no-starter"
        )
    if run.linear_file.exists() or run.read_settings().linear_pool:
        raise EmofuseError(
            f"{run.path}: is pooled with a linear model, which reads the features that an expert would stand in for; name a "
            "run that was trained without --linear-pool, or use --no-starter"
        )
    lacking = [spec.modality for spec in specs if spec.modality not in record.encoders]
    if lacking:
        raise EmofuseError(
            f"{run.path}: has no {lacking[0]} that an expert could stand in for; it has {', '.join(record.encoders)}"
        )
    imported = [m for m, part in record.encoders.items() if part.spec.name == IMPORTED]
    rest = [m for m in imported if m not in {spec.modality for spec in specs}]
    if rest:
        raise EmofuseError(
            f"{run.path}: was trained on imported {rest[0]} features, which cannot be made of a raw clip"
        )


def _name_remote(specs: Sequence[EncoderSpec]) -> None:
    """Say what may be fetched before anything is."""
    for spec in specs:
        if is_remote(spec) and is_hub_name(spec.name):
            tell_what_is_fetched(f"the {spec.modality} expert", spec)


def _called(checkpoint: Checkpoint) -> str:
    return f"{checkpoint.spec.modality} expert {checkpoint.spec.name}"


def _opinions(
    checkpoints: Mapping[Modality, Checkpoint], labels: Sequence[str], given: Mapping[str, str | None]
) -> dict[Modality, Opinions]:
    check_given(given, {m: checkpoint.labels for m, checkpoint in checkpoints.items()})
    return {
        m: Opinions(
            count_classes(_called(checkpoint), m, checkpoint.labels, labels, given),
            len(labels),
            checkpoint.several,
        )
        for m, checkpoint in checkpoints.items()
    }


def _without_unknown(
    labels: Sequence[str], opinions: Mapping[Modality, Opinions]
) -> tuple[tuple[str, ...], dict[Modality, Opinions]]:
    """The labels on which at least one expert has a say."""
    kept = sorted({place for each in opinions.values() for place in each.known})
    return tuple(labels[place] for place in kept), {
        m: Opinions(
            tuple(None if place is None else kept.index(place) for place in each.counts_as),
            len(kept),
            each.several,
        )
        for m, each in opinions.items()
    }


def _stand_in(model: LateFusion, modality: Modality, size: int, trust: float | None) -> None:
    """Let the features of a modality be what its expert says."""
    model.config = model.config.model_copy(update={f"{modality}_dim": size})
    model.scalers[modality] = FeatureScaler(size, clip=math.inf)
    model.experts[modality] = nn.Identity()
    model.temperature[list(model.config.modalities).index(modality)] = 1.0
    if trust is not None:
        model.trust[modality].data.copy_(torch.tensor(trust, dtype=torch.float64).expm1().log())


def _alone(
    encoders: dict[Modality, UtteranceEncoder],
    parts: dict[Modality, EncoderRecord],
    labels: Sequence[str],
    trust: Mapping[Modality, float],
    lines: tuple[str, ...],
) -> ExpertFusion:
    size = len(labels)
    modalities = tuple(m for m in MODALITIES if m in encoders)
    sizes: dict[str, Any] = {f"{m}_dim": size for m in modalities}
    model = LateFusion(LateFusionConfig(num_classes=size, modalities=modalities, **sizes))
    for m in modalities:
        _stand_in(model, m, size, trust.get(m, 1.0))
    record = RunRecord(
        **environment(),
        seed=0,
        labels=list(labels),
        model_name="late-fusion",
        model_config=model.config.model_dump(mode="json"),
        parameters=sum(p.numel() for p in model.parameters()),
        encoders=parts,
        data_fingerprint="",
        protocol="none",
        optimistic=False,
    )
    return ExpertFusion(model, record, encoders, lines=lines)


def _within(
    run: RunFolder,
    record: RunRecord,
    experts: dict[Modality, UtteranceEncoder],
    parts: dict[Modality, EncoderRecord],
    trust: Mapping[Modality, float],
    lines: tuple[str, ...],
    device: str,
) -> ExpertFusion:
    own = [m for m in record.encoders if m not in experts]
    model = run.load_model(record)
    if not isinstance(model, LateFusion):
        raise TypeError(f"late-fusion made a {type(model).__name__}")
    for m in experts:
        _stand_in(model, m, len(record.labels), trust.get(m))
    settings = run.read_settings()
    calibration = read_calibration(run) if own else None
    # A named expert of voices is asked where the run's own would be.
    asked = {m: as_asked(expert, record.encoders[m].spec) for m, expert in experts.items()}
    changed = {
        "encoders": {**record.encoders, **parts},
        "model_config_": model.config.model_dump(mode="json"),
    }
    return ExpertFusion(
        model,
        record.model_copy(update=changed),
        {**{m: encoder_for_predictions(run, record, m, device) for m in own}, **asked},
        calibration.temperature if calibration else 1.0,
        settings.data.model_copy(update={"frame_cache": None}),
        {m: gaussian for m, gaussian in read_familiarity(run).items() if m in own},
        {m: read_statistics(run, record, m) for m in normalised_by(settings.data, own)},
        lines,
    )
