"""What a split and a protocol are, and which protocols there are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from emofuse.data.nearest_names import none_of
from emofuse.errors import EmofuseError

PARTS = ("train", "val", "test")
USUAL_FOLDS = 5
"""Folds of the k-fold protocols where nothing else is said."""


class Split(NamedTuple):
    """The ids of one fold's training, validation and test utterances."""

    train: list[str]
    val: list[str]
    test: list[str]


@dataclass(frozen=True)
class ProtocolInfo:
    """A protocol and what its numbers are worth.

    Attributes:
        name: as it is given on the command line.
        optimistic: known to flatter; every table made with it must say so.
        why: one line on what stands on both sides, or does not.
    """

    name: str
    optimistic: bool
    why: str


PROTOCOLS: Mapping[str, ProtocolInfo] = MappingProxyType(
    {
        info.name: info
        for info in (
            ProtocolInfo("official", False, "the corpus's own parts, as its publishers drew them"),
            ProtocolInfo("session", False, "one recording session (column group) is left out at a time"),
            ProtocolInfo("speaker", False, "nobody who speaks in the test part is heard in training"),
            ProtocolInfo("dialogue", False, "dialogues are kept whole; speakers may stand on both sides"),
            ProtocolInfo(
                "random-kfold",
                True,
                "utterances are drawn at random, so that dialogues and speakers stand on both sides",
            ),
        )
    }
)


def protocol_info(protocol: str) -> ProtocolInfo:
    """Look a protocol up by name.

    Raises:
        EmofuseError: there is none of that name.
    """
    if protocol not in PROTOCOLS:
        raise EmofuseError(none_of("protocol", protocol, PROTOCOLS))
    return PROTOCOLS[protocol]
