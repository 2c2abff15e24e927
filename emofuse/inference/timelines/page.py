"""Emotions over time as one page that needs nothing else: the recording plays, and each utterance says its emotion.

Whatever came from outside (words, names of speakers and files, labels) is escaped by the templates, and stands in no
script: the page's own script reads it from the document. The content security policy names that script by its hash, so
that no other one runs.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined, select_autoescape

from emofuse.errors import EmofuseError
from emofuse.evaluation.reporting.printable import storable
from emofuse.inference.segments import EmotionSegment
from emofuse.inference.timelines.page_content import page_recordings, page_title
from emofuse.inference.timelines.page_media import PageMedia

MOST_RECORDINGS = 300
MOST_UTTERANCES = 20_000
_NO_MEDIA: Mapping[str, PageMedia] = MappingProxyType({})


def timeline_page(
    segments: Sequence[EmotionSegment],
    media: Mapping[str, PageMedia] = _NO_MEDIA,
    *,
    labels: Sequence[str] = (),
    title: str | None = None,
    notes: Sequence[str] = (),
) -> str:
    """The page as HTML.

    Args:
        segments: of one or several recordings; those of one recording share a player.
        media: ``segment.recording`` → how the page plays it, as
            :func:`emofuse.inference.timelines.page_media.media_of_page` finds it, or an address of a server.
        labels: of the run, in its order.
        title: by default the name of the recording.
        notes: what the reader must know, a paragraph each.

    Raises:
        EmofuseError: there is nothing to show, or more than a page can hold.
    """
    if not segments:
        raise EmofuseError("there is no prediction to make a page of")
    recordings = page_recordings(segments, media, labels)
    if len(recordings) > MOST_RECORDINGS or len(segments) > MOST_UTTERANCES:
        raise EmofuseError(
            f"{len(segments)} predictions of {len(recordings)} recordings are more than one page can show (at most "
            f"{MOST_UTTERANCES} of {MOST_RECORDINGS}); `emofuse predict RUN FOLDER --out DIR` writes a page for each recording"
        )
    script = timeline_script()
    return (
        page_environment()
        .get_template("timeline.html.j2")
        .render(
            title=title or page_title(segments, recordings),
            recordings=recordings,
            notes=notes,
            script=script,
            policy=content_policy(script, [m.source for m in media.values()]),
        )
    )


@cache  # a template takes longer to compile than to fill
def page_environment(package: str = "emofuse.inference.timelines") -> Environment:
    """Templates of a package, and the style of all pages; what goes into them is escaped and made fit to be shown."""
    return Environment(
        loader=ChoiceLoader([PackageLoader(package), PackageLoader("emofuse.evaluation.reporting")]),
        autoescape=select_autoescape(enabled_extensions=("html.j2",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )


@lru_cache(maxsize=1)
def timeline_script() -> str:
    """The page's script."""
    return (files("emofuse.inference.timelines") / "templates" / "timeline.js").read_text(encoding="utf-8")


def content_policy(script: str, sources: Sequence[str] = ()) -> str:
    """A content security policy that lets one script run, and plays what a page plays.

    Args:
        script: exactly as it stands between its tags.
        sources: addresses of the recordings.
    """
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    # A page that was opened from a disk is of no origin in some browsers: what lies beside it is then of file:.
    kinds = {
        "data:" if s.startswith("data:") else "blob:" if s.startswith("blob:") else "'self' file:"
        for s in sources
    }
    played = " ".join(sorted(kinds)) or "'none'"
    return (
        f"default-src 'none'; media-src {played}; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; "
        "base-uri 'none'; form-action 'none'"
    )


def _shown(value: Any) -> Any:
    """Clean each text that goes into a page; markup of the templates passes."""
    return storable(value) if type(value) is str else value
