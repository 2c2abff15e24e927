"""What the classes of a named classifier count as among the labels of a run: known names, or as the user says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from emofuse.data import Modality
from emofuse.errors import EmofuseError
from emofuse.evaluation.metrics.emotion_names import emotion_name
from emofuse.evaluation.protocols.label_map_files import read_label_map

DROP = "drop"
# The groups in which GoEmotions's authors gather their 27 emotions around Ekman's six (Demszky et al. 2020, §3), and other
# forms of these names. They are coarser than `emotion_name`, which keeps apart what some corpus keeps apart.
NEAREST: Mapping[str, str] = MappingProxyType(
    {
        name: emotion
        for emotion, names in {
            "neutral": "calm calmness others",
            "joy": "happily joyfulness enjoyment amusement amused approval excitement gratitude grateful love loving "
            "optimism optimistic relief relieved pride proud admiration desire caring cheerful",
            "sadness": "sadly unhappy disappointment disappointed embarrassment grief remorse",
            "anger": "mad annoyance annoyed disapproval furious",
            "fear": "fearfully fright frightened nervousness nervous terror",
            "surprise": "surprising astonished realization realisation confusion confused curiosity curious",
            "disgust": "disgusting disgustedly",
        }.items()
        for name in names.split()
    }
    | {"pleasant surprise": "surprise", "ps": "surprise", "pleasant surprised": "surprise"}
)


def read_given(label_map: Mapping[str, str | None] | Path | str | None) -> dict[str, str | None]:
    """A user's map: as it is, in words such as ``contempt=drop,love=joy``, or a .yaml or .csv file of label and counts_as.

    Raises:
        EmofuseError: it cannot be read, or is a map of another kind.
    """
    if label_map is None or isinstance(label_map, Mapping):
        return dict(label_map or {})
    found = read_label_map(str(label_map))
    if found.run:
        raise EmofuseError("label map: the side run has no meaning for experts; give label=what it counts as")
    return dict(found.data)


def emotion_of(label: str) -> str:
    """The nearest of the seven emotions; a name that is not known stays, in small letters."""
    name = emotion_name(" ".join(label.replace("_", " ").replace("-", " ").split()))
    return NEAREST.get(name, name)


def count_classes(
    expert: str,
    modality: Modality,
    classes: Sequence[str],
    labels: Sequence[str],
    given: Mapping[str, str | None],
) -> tuple[int | None, ...]:
    """Of each class of a classifier the place of its label; None for one that is left out.

    Args:
        expert: how messages call it.
        modality: that it reads; ``text:love`` in a map is the class *love* of the text expert alone.
        classes: of the classifier.
        labels: of the run.
        given: what the user says that classes count as; None or "drop" leaves one out.

    Raises:
        EmofuseError: a class has no label, a label is none of the run's, or fewer than two are left.
    """
    named = {emotion_of(label): place for place, label in enumerate(labels)}
    places = {label: place for place, label in enumerate(labels)}
    found: list[int | None] = []
    strange: list[str] = []
    for name in classes:
        own = f"{modality}:{name}"
        if own in given or name in given:
            found.append(_place(given[own] if own in given else given[name], name, places))
        elif name in places or emotion_of(name) in named:
            found.append(places.get(name, named.get(emotion_of(name))))
        else:
            strange.append(name)
    if strange:
        raise EmofuseError(
            f"{expert}: its {', '.join(map(repr, strange))} is none of {', '.join(labels)}; say what each counts as, or drop, "
            f"such as --label-map {_quoted(f'{strange[0]}={DROP}')}"
        )
    if len({place for place in found if place is not None}) < 2:
        raise EmofuseError(
            f"{expert}: its classes count as fewer than two labels, so it tells none apart; map two or more with --label-map"
        )
    return tuple(found)


def _place(label: str | None, name: str, places: Mapping[str, int]) -> int | None:
    if label is None or label.casefold() == DROP:
        return None
    if label not in places:
        raise EmofuseError(
            f"label map: {name!r} counts as {label!r}, which is none of {', '.join(places)}; name one of these, or {DROP}"
        )
    return places[label]


def _quoted(pair: str) -> str:
    return f"'{pair}'" if " " in pair else pair


def map_lines(
    expert: str, classes: Sequence[str], labels: Sequence[str], counts_as: Sequence[int | None]
) -> Iterator[str]:
    """What the classes of an expert count as, in words."""
    pairs = list(zip(classes, counts_as, strict=True))
    sources = [
        f"{label} ({', '.join(name for name, place in pairs if place == number)})"
        for number, label in enumerate(labels)
        if number in counts_as
    ]
    yield f"{expert} says {', '.join(sources)}"
    if dropped := [name for name, place in pairs if place is None]:
        yield f"{expert}: left out: {', '.join(dropped)}"
    if unknown := [label for number, label in enumerate(labels) if number not in counts_as]:
        yield f"{expert} has no say on {', '.join(unknown)}"


def check_given(given: Mapping[str, str | None], classes: Mapping[Modality, Sequence[str]]) -> None:
    """See that a map of the user's speaks of classes that there are.

    Raises:
        EmofuseError: it names one that no expert has.
    """
    known = {name for names in classes.values() for name in names}
    known |= {f"{modality}:{name}" for modality, names in classes.items() for name in names}
    strange = [name for name in given if name not in known]
    if strange:
        raise EmofuseError(
            f"label map: {strange[0]!r} is no class of these experts; there are: {', '.join(sorted(known))}"
            if len(known) < 100
            else f"label map: {strange[0]!r} is no class of these experts"
        )
