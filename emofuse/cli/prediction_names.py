"""What is named on the command line of `emofuse predict`: a run or the starter, and clips."""

from __future__ import annotations

from pathlib import Path

from emofuse.starter import STARTER


def run_and_clips(run: Path | None, clips: list[Path] | None) -> tuple[Path, list[Path] | None]:
    """The run and the clips; the starter where the first argument is no run but a clip, a folder of clips, or nothing."""
    if run is None:
        return Path(STARTER), clips
    if run.is_file() or _is_clips_folder(run, clips) or _is_clip_name(run):
        return Path(STARTER), [run, *(clips or [])]
    return run, clips


def _is_clips_folder(run: Path, clips: list[Path] | None) -> bool:
    """A folder that stands alone and is no run: there would be nothing else to predict."""
    from emofuse.data.found_recordings import has_recording

    return not clips and run.is_dir() and not (run / "run.json").exists() and has_recording(run)


def _is_clip_name(run: Path) -> bool:
    """What is not there and has a suffix: a misspelt clip, and no name of a run on the hub such as ``org/run-1.0``."""
    from emofuse.data.found_recordings import is_recording_name

    on_hub = "/" in str(run) and not run.parent.exists() and not is_recording_name(run)
    return not run.exists() and bool(run.suffix) and str(run) != STARTER and not on_hub
