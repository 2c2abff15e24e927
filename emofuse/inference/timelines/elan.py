"""ELAN annotation files (.eaf), https://archive.mpi.nl/tla/elan."""

from __future__ import annotations

import mimetypes
import os
from collections.abc import Sequence
from pathlib import Path

from pympi import Eaf
from pympi.Elan import to_string

from emofuse.evaluation.reporting.printable import printable
from emofuse.inference.segments import EmotionSegment
from emofuse.inference.timelines.lanes import only_recording
from emofuse.inference.timelines.tiers import annotation_tiers

_VOCABULARY = "emotions"


def elan_text(
    segments: Sequence[EmotionSegment], file: Path | None = None, labels: Sequence[str] = ()
) -> str:
    """An annotation document: tiers for each speaker, the emotions as a controlled vocabulary, the recording linked.

    An annotator who corrects an emotion chooses from the vocabulary.

    Args:
        segments: of one recording, each with an end.
        file: where the document will be written, from which the recording is linked.
        labels: of the run; those of the segments come along.

    Raises:
        EmofuseError: they are of several recordings, or nothing says when one was said.
    """
    tiers = annotation_tiers(segments, "ELAN annotations")
    document = Eaf(author="emofuse")
    document.remove_tier("default")
    _add_vocabulary(
        document,
        [
            *labels,
            *(s.label for s in segments if s.label is not None),
            *(n for s in segments for n in s.probabilities),
        ],
    )
    for kind in dict.fromkeys(tier.kind for tier in tiers):
        document.add_linguistic_type(kind)
    document.linguistic_types["emotion"]["CONTROLLED_VOCABULARY_REF"] = _VOCABULARY
    recording = only_recording(segments, "ELAN annotations")
    if recording is not None:
        _link(document, Path(recording), file)
    for tier in tiers:
        document.add_tier(tier.name, tier.kind)
        for each in tier.annotations:
            document.add_annotation(tier.name, each.start, each.end, each.value)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + str(to_string(document)) + "\n"


def _add_vocabulary(document: Eaf, names: Sequence[str]) -> None:
    document.add_language("und", "http://cdb.iso.org/lg/CDB-00130975-001", "undetermined (und)")
    document.add_controlled_vocabulary(_VOCABULARY)
    document.add_cv_description(_VOCABULARY, "und")
    for number, name in enumerate(dict.fromkeys(map(printable, names))):
        document.add_cv_entry(_VOCABULARY, f"e{number}", [(name, "und", None)])


def _link(document: Eaf, recording: Path, file: Path | None) -> None:
    # A relative link alone: the document goes from hand to hand, and a path of this machine is nobody's business.
    folder = file.absolute().parent if file is not None else recording.absolute().parent
    relative = Path(os.path.relpath(recording.resolve(), folder.resolve())).as_posix()
    address = f"./{printable(relative)}"  # as ELAN writes it: a path with slashes, nothing quoted
    kind = mimetypes.guess_type(recording.name)[0] or "unknown"
    document.add_linked_file(address, relpath=address, mimetype=kind)
