"""Which modalities of a run are standardised per speaker or per recording, and by what.

The statistics of a group are those of its utterances in one part alone: training, validation and test rows never mix,
and neither do parts that another corpus names. Labels are not looked at.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from emofuse.data import Modality
from emofuse.data.atomic import written_aside
from emofuse.data.batch import FeatureSource
from emofuse.data.stored_files import DamagedFileError
from emofuse.data.utterance import Utterance
from emofuse.errors import EmofuseError
from emofuse.evaluation import Split
from emofuse.features.normalisation import Normalise, NormalisedFeatures, TrainingStatistics
from emofuse.models import model_info
from emofuse.runs.modalities import EncodedModality
from emofuse.runs.run_folder import RunFolder
from emofuse.runs.run_record import RunRecord
from emofuse.runs.settings import DataSettings, RunSettings
from emofuse.runs.stored_model import stored_shapes

if TYPE_CHECKING:
    from emofuse.data.manifest import Manifest

_ADVICE = "train again"


def normalised_by(data: DataSettings, modalities: Iterable[Modality]) -> dict[Modality, Normalise]:
    """Modality → by what it is standardised, of those modalities that are."""
    return {m: data.normalise[m] for m in modalities if data.normalise.get(m, "none") != "none"}


def check_normalise(settings: RunSettings, manifest: Manifest, modalities: Iterable[Modality]) -> None:
    """Refuse what could not be standardised, before long work.

    Raises:
        EmofuseError: a modality is not used, or is read without an encoder; or no row names its speaker.
    """
    info, used = model_info(settings.model.name), tuple(modalities)
    for modality, how in normalised_by(settings.data, settings.data.normalise).items():
        if modality not in used or info.takes(modality) == "frames":
            raise EmofuseError(
                f"setting data.normalise.{modality}: this run has no encoded {modality} to standardise; leave it out"
            )
        if how == "speaker" and manifest.frame["speaker"].isna().all():
            raise EmofuseError(
                f"setting data.normalise.{modality}: the manifest names no speaker; fill in its column speaker, or choose "
                "recording"
            )


def transductive_note(data: DataSettings, modalities: Iterable[Modality]) -> str:
    """What a reader of scores must know where features are standardised per group; empty where none are."""
    wanted = normalised_by(data, modalities)
    named = ", ".join(f"{modality} per {how}" for modality, how in wanted.items())
    return (
        f"features standardised ({named}) by all unlabelled utterances of each group in the judged part: transductive"
        if named
        else ""
    )


def groups_of(
    rows: Iterable[Utterance], how: Normalise, parts: Mapping[str, str] | None = None
) -> dict[str, Hashable]:
    """Utterance id → the part and the speaker or dialogue whose statistics it is standardised by.

    Args:
        rows: utterances. One whose speaker is not named counts to its dialogue.
        how: ``"speaker"`` or ``"recording"``, which is the dialogue.
        parts: utterance id → part; of one that is not named, what its own row says.
    """
    return {
        row.id: (
            (parts or {}).get(row.id) or f"own {row.split}",
            ("speaker", row.speaker) if how == "speaker" and row.speaker else ("dialogue", row.dialogue),
        )
        for row in rows
    }


def normalise_encoded(
    settings: RunSettings, manifest: Manifest, split: Split, encoded: Mapping[Modality, EncodedModality]
) -> dict[Modality, EncodedModality]:
    """The features of a training, those that the settings say standardised per group.

    Args:
        settings: of the run.
        manifest: its corpus.
        split: its parts.
        encoded: the features as the encoders give them.

    Raises:
        EmofuseError: a modality has no features in the training part.
    """
    wanted, done = normalised_by(settings.data, encoded), dict(encoded)
    for modality, how in wanted.items():
        part = encoded[modality]
        groups = groups_of(manifest.rows(), how, parts_of(split))
        training = TrainingStatistics.of(part.reader, {id: groups[id] for id in split.train})
        # A voice on a telephone has the telephone in its mean: a copy is standardised among its like.
        done[modality] = replace(
            part,
            reader=NormalisedFeatures(part.reader, groups, training),
            copies=tuple(NormalisedFeatures(copy, groups, training) for copy in part.copies),
        )
    return done


def parts_of(split: Split) -> dict[str, str]:
    """Utterance id → its part in a run."""
    return {id: part for part, ids in split._asdict().items() for id in ids}


def write_statistics(folder: RunFolder, encoded: Mapping[Modality, EncodedModality]) -> None:
    """Keep the training part's statistics in the run, where there are any, for predictions of other utterances."""
    tensors = {
        f"{modality}.{name}": np.ascontiguousarray(getattr(part.reader.training, name))
        for modality, part in encoded.items()
        if isinstance(part.reader, NormalisedFeatures)
        for name in ("mean", "spread")
    }
    if tensors:
        with written_aside(folder.normalisation_file) as aside:
            aside.write_bytes(save(tensors))


def read_statistics(folder: RunFolder, record: RunRecord, modality: Modality) -> TrainingStatistics:
    """What a run keeps of its training part.

    Raises:
        EmofuseError: the file is missing, damaged, or of another run.
    """
    file, size = folder.normalisation_file, record.encoders[modality].identity.dim
    names = [f"{modality}.{name}" for name in ("mean", "spread")]
    shapes = stored_shapes(file)
    if any(shapes.get(name) != (size,) for name in names):
        raise DamagedFileError(file, f"it has no mean and spread of {size} {modality} features", _ADVICE)
    found = _arrays(file, names)
    if not all(np.isfinite(each).all() for each in found) or (found[1] < 0).any():
        raise DamagedFileError(file, "its numbers are no mean and spread", _ADVICE)
    return TrainingStatistics(*found)


def _arrays(file: Path, names: Iterable[str]) -> list[np.ndarray]:
    try:
        with safe_open(file, "np") as stored:
            return [np.asarray(stored.get_tensor(name), dtype=np.float32) for name in names]
    except (SafetensorError, OSError, ValueError, TypeError) as error:
        raise DamagedFileError(file, str(error), _ADVICE) from None


def normalise_readers(
    folder: RunFolder, record: RunRecord, manifest: Manifest, readers: Mapping[Modality, FeatureSource]
) -> dict[Modality, FeatureSource]:
    """Features for a finished run, standardised as in its training.

    Rows of the run's own corpus belong to the parts of its split; other rows to those that they name themselves.

    Args:
        folder: of the run.
        record: its run.json.
        manifest: its corpus or another.
        readers: the features as the encoders give them.

    Raises:
        EmofuseError: the run's statistics are missing or damaged.
    """
    wanted, done = normalised_by(folder.read_settings().data, readers), dict(readers)
    if wanted:
        parts = _own_parts(folder, manifest)
        for modality, how in wanted.items():
            groups = groups_of(manifest.rows(), how, parts)
            done[modality] = NormalisedFeatures(
                readers[modality], groups, read_statistics(folder, record, modality)
            )
    return done


def _own_parts(folder: RunFolder, manifest: Manifest) -> dict[str, str]:
    """Utterance id → its part in the run, of rows that are the run's: another corpus may have the same ids."""
    from emofuse.runs.corpus_identity import CorpusIdentity

    held, now = CorpusIdentity.read(folder.path), CorpusIdentity.of(manifest)
    parts = parts_of(folder.read_split())
    if held is None:
        return parts
    return {
        id: part
        for id, part in parts.items()
        if id in now.row_of
        and (held.row_of.get(id) == now.row_of[id] or held.content_of.get(id) == now.content_of[id])
    }


def companions_of(manifest: Manifest, ids: Iterable[str], data: DataSettings) -> set[str]:
    """Ids of all rows that rows of a run are standardised with: of the same speakers and dialogues."""
    wanted = normalised_by(data, data.normalise)
    if not wanted:
        return set()
    frame = manifest.frame
    chosen = frame["id"].isin(set(ids))
    beside = frame["dialogue"].isin(frame.loc[chosen, "dialogue"])
    if "speaker" in wanted.values():
        beside |= frame["speaker"].notna() & frame["speaker"].isin(frame.loc[chosen, "speaker"].dropna())
    return set(frame.loc[beside, "id"])
