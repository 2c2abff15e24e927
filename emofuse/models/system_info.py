"""What a system declares of itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from emofuse.data.modality import MODALITIES, InputKind, Modality
from emofuse.errors import EmofuseError

Scope = Literal["utterance", "dialogue"]
Task = Literal["classification", "regression"]


@dataclass(frozen=True)
class ModelInfo:
    """What a system declares; batches, windows, extraction and explanation follow from it and from nothing else.

    Attributes:
        name: what `create_model` takes.
        title: as it is called in print.
        paper: where it was published.
        summary: one sentence.
        scope: what it sees at once: "utterance", each on its own, or "dialogue", all utterances of a dialogue
            in their order.
        inputs: modality → how it takes it, of the modalities that it can take. "vector": (B, d), or (B, N, d) of a
            dialogue. "steps": (B, T, d) with ``masks``, a vector per token or per moment. "frames": pictures,
            (B, F, 3, H, W) uint8, under the name ``frames``.
        tasks: what it can learn to say: classes, or a value.
        speakers: it takes ``speakers``, (B, N) int64, the speakers of a dialogue numbered from 0 as they appear.
        row_numbers: it takes ``row_numbers``, (B,) int64, the place of each utterance in its part, by which a training
            knows it again.
        presets: its named sizes.
        citation: BibTeX of the paper, empty where there is none.
    """

    name: str
    title: str
    paper: str
    summary: str
    scope: Scope
    inputs: Mapping[Modality, InputKind]
    tasks: tuple[Task, ...] = ("classification",)
    speakers: bool = False
    row_numbers: bool = False
    presets: tuple[str, ...] = ()
    citation: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        _check_declaration(self)

    @property
    def reads_frames(self) -> bool:
        """Whether it sees the pictures themselves; another system's video comes from an encoder."""
        return "frames" in self.inputs.values()

    def takes(self, modality: Modality) -> InputKind:
        """How it takes a modality.

        Raises:
            EmofuseError: it does not take it at all.
        """
        try:
            return self.inputs[modality]
        except KeyError:
            raise EmofuseError(
                f"{self.title} takes no {modality}; it takes {', '.join(self.inputs)}"
            ) from None

    @property
    def input_line(self) -> str:
        """The declaration for a person, e.g. ``utterance; text vector, video frames; classification``."""
        inputs = ", ".join(f"{modality} {kind}" for modality, kind in self.inputs.items())
        speakers = "; speakers" if self.speakers else ""
        return f"{self.scope}; {inputs}{speakers}; {', '.join(self.tasks)}"


def declared_info(
    *, name: str, inputs: Mapping[Modality, InputKind], citation: str = "", **declared: Any
) -> ModelInfo:
    """The declaration in its usual form: modalities in their order, sequences as tuples.

    Args:
        name: of the system.
        inputs: modality → how it takes it, in any order.
        citation: BibTeX.
        **declared: the other attributes of `ModelInfo`.

    Raises:
        ValueError: it contradicts itself.
    """
    if set(inputs) - set(MODALITIES):
        raise ValueError(f"{name}: unknown modalities {sorted(set(inputs) - set(MODALITIES))}")
    ordered = {m: inputs[m] for m in MODALITIES if m in inputs}
    fields = declared | {key: tuple(declared[key]) for key in ("tasks", "presets") if key in declared}
    return ModelInfo(name=name, inputs=ordered, citation=citation.strip(), **fields)


def _check_declaration(info: ModelInfo) -> None:
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", info.name):
        raise ValueError(f"{info.name!r}: a system's name is lower case, digits and hyphens")
    if not info.inputs or not info.tasks:
        raise ValueError(f"{info.name}: a system needs an input and a task")
    if info.scope == "dialogue" and set(info.inputs.values()) != {"vector"}:
        raise ValueError(f"{info.name}: a system that sees dialogues takes a vector per utterance")
    if info.speakers and info.scope != "dialogue":
        raise ValueError(f"{info.name}: speakers are those of a dialogue, and it sees single utterances")
    if info.row_numbers and info.scope != "utterance":
        raise ValueError(f"{info.name}: row numbers are of single utterances, and it sees dialogues")
    if any(kind == "frames" and m != "video" for m, kind in info.inputs.items()):
        raise ValueError(f"{info.name}: frames are of the video")
