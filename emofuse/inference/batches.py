"""Rows of a corpus as a system takes them; its declaration decides how."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from torch import nn

from emofuse.data import MODALITIES, Modality
from emofuse.data.batch import FeatureSource
from emofuse.data.dataset import FrameSampling, UtteranceDataset
from emofuse.data.dialogues import DialogueDataset, WindowSize, dialogue_windows
from emofuse.data.frame_cache import FrameCache
from emofuse.data.loader import BatchDataset
from emofuse.data.targets import Target
from emofuse.data.utterance import Utterance
from emofuse.models import model_info
from emofuse.runs.settings import DataSettings

if TYPE_CHECKING:
    from emofuse.data.manifest import Manifest


def dataset_of(
    utterances: Sequence[Utterance],
    model: nn.Module,
    readers: Mapping[Modality, FeatureSource],
    data: DataSettings,
    target: Target | None = None,
    context: Sequence[Utterance] = (),
    *,
    keep_frames: bool = False,
    widths: Mapping[Modality, int] | None = None,
) -> BatchDataset:
    """Rows as this model takes them.

    Args:
        utterances: to predict.
        model: any system.
        readers: modality → features, of those that are encoded.
        data: how much of a dialogue or a sequence is taken at once.
        target: what an utterance is to be predicted as.
        context: other utterances of the same dialogues, for a system that sees dialogues.
        keep_frames: frames that are decoded are kept in the folder that ``data`` names; for training, since a run that
            is only used may name any folder.
        widths: modality → numbers of an utterance, where they are not as many as the system takes: of one whose encoder
            learns, which is given the utterance's place alone.
    """
    config: Any = model.config
    info = model_info(model)
    dims: dict[Modality, int] = {m: getattr(config, f"{m}_dim") for m in readers} | dict(widths or {})
    if info.scope == "dialogue":
        windows = dialogue_windows(
            utterances, context, WindowSize(data.dialogue_window, data.dialogue_overlap)
        )
        return DialogueDataset(windows, config.modalities, readers, dims, target, info.speakers)
    inputs = {m: info.takes(m) for m in config.modalities}
    longest = longest_sequences(data, getattr(config, "text_length", None))
    frames = _sampling(config, data, keep_frames) if "frames" in inputs.values() else None
    return UtteranceDataset(
        utterances,
        inputs,
        readers,
        dims,
        longest=longest,
        frames=frames,
        target=target,
        row_numbers=info.row_numbers,
    )


def pictures_of(utterances: Sequence[Utterance], model: nn.Module, data: DataSettings) -> UtteranceDataset:
    """The pictures alone of rows, as a model takes them that reads them itself."""
    return UtteranceDataset(
        utterances, {"video": "frames"}, {}, {}, frames=_sampling(model.config, data, keep=False)
    )


def _sampling(config: Any, data: DataSettings, keep: bool) -> FrameSampling:
    cache = None if data.frame_cache is None else FrameCache(data.frame_cache, keep=keep)
    return FrameSampling(config.frames, (config.image_size, config.image_size), cache, data.face_frames)


def longest_sequences(data: DataSettings, text_length: int | None) -> dict[Modality, int]:
    """Modality → most steps of a sequence; ``text_length`` is the system's own of texts, where it has one."""
    longest: dict[Modality, int] = dict.fromkeys(MODALITIES, data.longest_sequence)
    return longest if text_length is None else {**longest, "text": text_length}


def rows_of(
    manifest: Manifest, ids: Sequence[str], model: nn.Module, hidden: Collection[str] = ()
) -> tuple[list[Utterance], list[Utterance]]:
    """Utterances to predict, and those that may stand around them in their dialogues.

    Args:
        manifest: the corpus.
        ids: of the utterances to predict.
        model: one that does not see dialogues needs no others.
        hidden: ids that must not be seen at all: those of parts that are judged later.
    """
    rows = [manifest.utterance(i) for i in ids]
    if model_info(model).scope != "dialogue":
        return rows, []
    dialogues, asked_for = {row.dialogue for row in rows}, {*ids, *hidden}
    return rows, [u for u in manifest.rows() if u.dialogue in dialogues and u.id not in asked_for]
