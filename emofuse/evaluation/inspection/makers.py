"""Which encoder published features are likely to come from, and which encoder here is the nearest to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter

from emofuse.data.modality import Modality
from emofuse.evaluation.inspection.contents import ModalityContents

Sureness = Literal["likely", "perhaps", "unknown"]
# Encoders of ours that need no download, where nothing is known.
_NEAREST: Mapping[str, str] = MappingProxyType(
    {
        "text": "--encoder hashed-ngrams",
        "audio": "--encoder logmel-functionals",
        "video": "--encoder frame-statistics",
    }
)


@dataclass(frozen=True)
class LikelyMaker:
    """What probably made the features of a modality.

    Attributes:
        name: of the encoder; empty where nothing is known.
        sureness: "likely" where size and statistics fit, "perhaps" where the size alone does, "unknown" where neither does.
        why: in a few words.
        trained_on_labels: features of this kind are usually fitted to the labels of their training part.
        options: of `emofuse extract`, which make the like from recordings.
        exact: they make the same; otherwise they are the nearest that there is.
    """

    name: str
    sureness: Sureness
    why: str
    trained_on_labels: bool
    options: str
    exact: bool

    def to_dict(self) -> dict[str, Any]:
        """Plain values that JSON can hold."""
        return asdict(self)

    def line(self) -> str:
        """For a person."""
        if self.sureness == "unknown":
            return f"made by something that is not known here ({self.why})"
        trained = "; such features are usually fitted to the labels" if self.trained_on_labels else ""
        return f"{self.sureness} {self.name} ({self.why}{trained})"


class _Signature(BaseModel):
    """A line of makers.yaml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    modality: Modality
    dim: int
    name: str
    options: str
    exact: bool = False
    trained: bool = False
    fits: Literal["vector", "sequence", "unit", "bert", "word_vectors", "covarep", "functional"] | None = None


def likely_maker(modality: Modality, found: ModalityContents) -> LikelyMaker:
    """Compare a modality's numbers with what known encoders give.

    Args:
        modality: text, audio or video.
        found: its numbers.
    """
    same = [each for each in _signatures() if (each.modality, each.dim) == (modality, found.dim)]
    what = f"{found.dim} numbers {'a step' if found.is_sequence else 'an utterance'}, mean length {found.norm:.3g}"
    if not same:
        return LikelyMaker("", "unknown", what, False, _NEAREST[modality], False)
    fitting = [each for each in same if each.fits is not None and _STATISTICS[each.fits](found)]
    best = fitting[0] if fitting else same[-1]
    options = best.options
    if found.is_sequence and "--pooling" not in options and "logmel-sequence" not in options:
        options += " --pooling tokens"
    return LikelyMaker(
        name=best.name,
        sureness="likely" if fitting else "perhaps",
        why=f"{what}; {'size and statistics fit' if fitting else 'the size alone fits'}",
        trained_on_labels=best.trained,
        options=options,
        exact=best.exact,
    )


def _signatures() -> list[_Signature]:
    text = (files(__package__) / "makers.yaml").read_text(encoding="utf-8")
    return TypeAdapter(list[_Signature]).validate_python(yaml.safe_load(text))


def _is_unit(found: ModalityContents) -> bool:
    """Sentence encoders end in vectors of length 1."""
    return abs(found.norm - 1) < 0.02 and found.norm_spread < 0.02


def _is_bert(found: ModalityContents) -> bool:
    """The last layer norm keeps states of BERT's size near one length."""
    return 8 < found.norm < 22 and found.norm_spread < 0.35


def _are_word_vectors(found: ModalityContents) -> bool:
    """The same word has the same vector wherever it stands."""
    return found.is_sequence and found.repeated > 0.2


def _is_covarep(found: ModalityContents) -> bool:
    """A pitch in Hz among its numbers, and -inf where no voice is heard."""
    return found.most > 50 or found.infinite > 0


def _is_functional(found: ModalityContents) -> bool:
    return not found.is_sequence and found.most > 50


_STATISTICS: Mapping[str, Callable[[ModalityContents], bool]] = MappingProxyType(
    {
        "vector": lambda found: not found.is_sequence,
        "sequence": lambda found: found.is_sequence,
        "unit": _is_unit,
        "bert": _is_bert,
        "word_vectors": _are_word_vectors,
        "covarep": _is_covarep,
        "functional": _is_functional,
    }
)
