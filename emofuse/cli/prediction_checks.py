"""What `emofuse predict` says of its options, its run and its clips before a run is loaded."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emofuse.errors import EmofuseError
from emofuse.starter import STARTER

if TYPE_CHECKING:
    from emofuse.cli.experts import ExpertOptions
    from emofuse.data.manifest import Manifest


def option(name: str) -> str:
    """How the command line spells an argument."""
    return f"--{name.replace('_', '-')}"


def check_options(of_clip: Mapping[str, Any], device: str, *, as_json: bool, as_csv: bool) -> None:
    """What no clip and no folder can be predicted with.

    Args:
        of_clip: options of a clip by name, None or empty where they were not given.
        device: where to compute.
        as_json: print JSON.
        as_csv: print CSV.

    Raises:
        EmofuseError: options do not go together, or one has no such value.
    """
    from emofuse.data.clip import check_every, check_times
    from emofuse.runs.device_name import check_device_name

    if as_json and as_csv:
        raise EmofuseError("--json and --csv: only one of them can be printed; leave one out")
    alone = ("text", "audio", "context", "start", "end", "every")
    given = [option(name) for name in alone if of_clip[name] not in (None, ())]
    if of_clip["segment"] is not None and given:
        raise EmofuseError(
            f"--segment finds the utterances and what is said in them; leave out {' and '.join(given)}"
        )
    if of_clip["segment"] is None and any(of_clip[name] for name in ("faces", "active_speaker", "speakers")):
        raise EmofuseError(
            "--faces, --active-speaker and --speakers go with --segment: name a way, such as --segment auto"
        )
    check_times(of_clip["start"], of_clip["end"], option)
    check_every(of_clip["every"], option("every"))
    check_device_name(device, option("device"))


def check_places(
    run: Path, experts: ExpertOptions, clips: Sequence[Path] | None, of_clip: Mapping[str, Any]
) -> None:
    """See that the run is there, and that one clip at least can be read; one of the hub is fetched later.

    Raises:
        EmofuseError: it is not, or none can.
    """
    experts.check(run)
    if not experts.alone:
        _check_run(run)
    failures = []
    places: Sequence[Path | None] = clips or [None]
    for clip in places:
        try:
            _look_at(clip, of_clip)
        except EmofuseError as error:
            failures.append(str(error))
        else:
            return
    raise EmofuseError("; ".join(failures))


def check_timed_manifests(
    clips: Sequence[Path], of_one: Sequence[Path], figure: Path | None
) -> dict[Path, Manifest]:
    """See that rows of manifests can be drawn or written over time, where that was asked for.

    Args:
        clips: recordings and manifests.
        of_one: files that belong to one recording, subtitles and tiers.
        figure: of the emotions over time.

    Returns:
        The manifests that were read for it.

    Raises:
        EmofuseError: a manifest cannot be read, ``of_one`` would be of several recordings, or nothing says when a row was
            said.
    """
    from emofuse.data.clip import recording_of
    from emofuse.data.manifest import Manifest
    from emofuse.data.manifest_files import is_manifest_file

    timed = [*(["--figure"] if figure is not None else []), *map(str, of_one)]
    manifests = [clip for clip in clips if is_manifest_file(clip)] if timed else []
    recordings: set[Path | None] = {clip for clip in clips if clip not in manifests}
    read = {manifest: Manifest.read(manifest).validate() for manifest in manifests}
    for manifest in manifests:
        for row in read[manifest].rows():
            recordings.add(recording_of(row))
            if recording_of(row) is None and row.end is None:
                raise EmofuseError(
                    f"{timed[0]}: nothing says when {row.id} of {manifest} was said; give the manifest a recording, or start and "
                    "end, or leave it out"
                )
    if manifests and of_one and len(recordings) > 1:
        raise of_several_recordings(of_one[0], len(recordings))
    return read


def of_several_recordings(file: Path, count: int) -> EmofuseError:
    """Why subtitles or tiers cannot be written."""
    return EmofuseError(
        f"{file}: belongs to one recording, and {count} are named; write a file for each, as "
        "`emofuse predict RUN FOLDER --out DIR --also ...` does"
    )


def nothing_to_predict(run: Path) -> EmofuseError:
    """Why nothing was named: words or an empty folder stand where a run does."""
    from emofuse.runs.hub import is_hub_name
    from emofuse.runs.run_folder import runs_below

    if str(run) == STARTER or is_hub_name(run) or _says_it_is_a_run(run):
        return EmofuseError("nothing to predict: name a clip, a manifest, or give --text")
    if run.is_dir():
        return EmofuseError(
            f"{run}: holds no recording and is no run folder; {runs_below(run) or 'name a recording'}"
        )
    said = str(run)
    return EmofuseError(f"{said!r} is neither a file nor a run; for words: --text {shlex.quote(said)}")


def check_no_run(places: Sequence[Path]) -> None:
    """See that no run stands where recordings are named.

    Raises:
        EmofuseError: one does, and no recording lies in it.
    """
    from emofuse.data.found_recordings import has_recording

    for place in places:
        if _says_it_is_a_run(place) and not has_recording(place):
            raise EmofuseError(
                f"{place}: holds no recording, it is a run; the run is named first, and then what it predicts"
            )


def _says_it_is_a_run(folder: Path) -> bool:
    return any((folder / name).exists() for name in ("run.json", "ensemble.json", "export.json"))


def _check_run(run: Path) -> None:
    from emofuse.inference.exporting.places import is_export
    from emofuse.runs.ensemble_folder import is_ensemble
    from emofuse.runs.hub import is_hub_name
    from emofuse.runs.named_run import run_place
    from emofuse.runs.run_folder import RunFolder

    if is_ensemble(run) or is_hub_name(run):
        return
    place = run_place(run)
    if not is_export(place):
        RunFolder.open(place)


def _look_at(clip: Path | None, of_clip: Mapping[str, Any]) -> None:
    from emofuse.data.clip import clip_utterance, fixed_length_segments
    from emofuse.data.manifest_files import is_manifest_file
    from emofuse.data.media import probe
    from emofuse.data.recording_file import check_file

    if clip is not None and is_manifest_file(clip):
        check_file(clip)
    elif clip is not None and of_clip["segment"] is not None:
        probe(clip)
    else:
        told = {name: of_clip[name] for name in ("text", "audio", "start", "end")}
        recording, seconds = clip_utterance(clip, **told)
        fixed_length_segments(recording, seconds, of_clip["every"], named=option)
