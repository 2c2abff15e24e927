"""The parts of a split as rows of the network that is fine-tuned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from emofuse.data import Modality
from emofuse.data.manifest import Manifest, Utterance
from emofuse.encoders.fine_tuning import FineTuneSettings
from emofuse.encoders.image_preprocessing import ImagePreprocessing, preprocessing_of, read_preprocessing
from emofuse.encoders.pretrained import Source
from emofuse.encoders.spec import FACE_CNN, EncoderSpec
from emofuse.encoders.text_reader import TextReader
from emofuse.errors import EmofuseError
from emofuse.evaluation import Split
from emofuse.training.finetuning.batches import TuningRows
from emofuse.training.finetuning.face_crops import CropReader
from emofuse.training.finetuning.faces import PictureRows
from emofuse.training.finetuning.sounds import SoundRows, feature_extractor, plain_extractor
from emofuse.training.finetuning.texts import TextRows, texts_of

# What decides how an utterance is read; stage 2 reads it in the same way.
READING: Mapping[Modality, tuple[str, ...]] = MappingProxyType(
    {
        "text": ("pooling", "max_length", "context_before", "context_after", "speaker_names"),
        "audio": ("pooling",),
        "video": ("faces", "min_face"),
    }
)


@dataclass(frozen=True)
class TuningParts:
    """What there is to fine-tune on.

    Attributes:
        rows: part ("train", "val", and "test" where it has any) → its utterances.
        labels: part → their class indices.
        reader: the tokeniser, feature extractor or preprocessing, which is saved beside the weights.
        reading: how the encoder is to be used later on, settings of `EncoderSpec` by name.
    """

    rows: dict[str, TuningRows]
    labels: dict[str, list[int]]
    reader: Any
    reading: dict[str, Any]


def read_parts(
    spec: EncoderSpec,
    source: Source | None,
    network: Any,
    manifest: Manifest,
    split: Split,
    settings: FineTuneSettings,
    seed: int,
    kept: Path,
) -> TuningParts:
    """Those utterances of each part that have a label and something of the encoder's modality.

    Args:
        spec: how they are read.
        source: of the model; None for one that starts from nothing.
        network: the model.
        manifest: the corpus.
        split: its parts.
        settings: of the augmentation.
        seed: of the augmentation.
        kept: folder that pictures which were decoded, and the faces cut out of them, are kept in.

    Raises:
        EmofuseError: the training or the validation part has none.
    """
    held = {name: _usable(manifest, ids, spec.modality) for name, ids in split._asdict().items()}
    for name in ("train", "val"):
        if not held[name]:
            raise EmofuseError(f"finetune {spec.modality}: no labelled row of the {name} part has any")
    held = {name: rows for name, rows in held.items() if rows}
    number = {label: i for i, label in enumerate(manifest.labels)}
    labels = {name: [number[str(row.label)] for row in rows] for name, rows in held.items()}
    if spec.modality == "text":
        assert source is not None
        reader = TextReader(spec, source, network)
        texts = texts_of(manifest, reader)
        used = spec.model_copy(update={"pooling": reader.pooling, "max_length": reader.max_length})
        return TuningParts(
            rows={name: TextRows(rows, labels[name], reader, texts) for name, rows in held.items()},
            labels=labels,
            reader=reader.tokenizer,
            reading=_reading(used),
        )
    if spec.modality == "video":
        preprocessing = _preprocessing_of(source, network.config)
        crops = CropReader(preprocessing.size, spec, kept)
        return TuningParts(
            rows={
                name: PictureRows(rows, labels[name], crops, preprocessing, settings, seed)
                for name, rows in held.items()
            },
            labels=labels,
            reader=preprocessing,
            reading=_reading(spec),
        )
    extractor = plain_extractor() if source is None else feature_extractor(source)
    masked = getattr(network.config, "feat_extract_norm", None) == "layer" and extractor.return_attention_mask
    return TuningParts(
        rows={
            name: SoundRows(rows, labels[name], extractor, masked, spec, settings, seed)
            for name, rows in held.items()
        },
        labels=labels,
        reader=extractor,
        reading=_reading(spec.model_copy(update={"pooling": "mean"})),
    )


def _preprocessing_of(source: Source | None, config: Any) -> ImagePreprocessing:
    if source is not None:
        return read_preprocessing(source, config)
    return preprocessing_of(FACE_CNN, {"do_normalize": False, "rescale_factor": 1 / 255}, config)


def _reading(spec: EncoderSpec) -> dict[str, Any]:
    return {name: getattr(spec, name) for name in READING[spec.modality]}


def _usable(manifest: Manifest, ids: Sequence[str], modality: Modality) -> list[Utterance]:
    rows = [manifest.utterance(id) for id in ids]
    if modality == "text":
        return [row for row in rows if row.label is not None and row.text]
    if modality == "video":
        return [row for row in rows if row.label is not None and row.video]
    return [row for row in rows if row.label is not None and (row.audio or row.video)]
