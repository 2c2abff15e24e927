"""The three modalities, by the names used everywhere: settings, batches, masks, reports."""

from typing import Literal, cast

from emofuse.data.nearest_names import none_of
from emofuse.errors import EmofuseError

Modality = Literal["text", "audio", "video"]
# How a system takes a modality: one vector of an utterance, a vector per step of it, or the pictures themselves.
InputKind = Literal["vector", "steps", "frames"]
MODALITIES: tuple[Modality, ...] = ("text", "audio", "video")


def parse_modalities(names: str | None) -> tuple[Modality, ...] | None:
    """``"text,audio"`` as modalities in their usual order; None stays None.

    Raises:
        EmofuseError: a name is none of the three.
    """
    if names is None:
        return None
    given = [name.strip() for name in names.split(",")]
    unknown = [name for name in given if name not in MODALITIES]
    if unknown:
        raise EmofuseError(none_of("modalities", unknown[0], MODALITIES))
    return cast(tuple[Modality, ...], tuple(m for m in MODALITIES if m in given))
