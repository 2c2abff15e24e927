"""``emofuse explain``: how much each modality moved a prediction, and which patches were kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emofuse.cli.prediction_checks import option
from emofuse.cli.prediction_names import run_and_clips
from emofuse.data.output_paths import check_new_folder
from emofuse.errors import EmofuseError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emofuse.data.manifest import Utterance
    from emofuse.explanation import Explanation, Gates
    from emofuse.runs.settings import DataSettings

EXAMPLE = """Say why a run says what it says of a clip: how much each modality moved the probability of each emotion
(exact Shapley values, and leave-one-out), and which patches of each frame visual sequence compression kept; of a run
of CM-MSF, what its mask gates let pass of each step. Written as JSON (gates as CSV too) and as pictures.

Example: `emofuse explain clip.mp4 --text "I can't believe it!" -o why`

Example: `emofuse explain runs/first clip.mp4`

Example: `emofuse explain runs/first corpus/manifest.csv --id d0t3`
"""


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command(name="explain", help=EXAMPLE)(explain)


def explain(
    run: Annotated[
        Path | None,
        typer.Argument(help="run folder made by `emofuse train`; the starter where none is named"),
    ] = None,
    clip: Annotated[Path | None, typer.Argument(help="video or sound file, or a manifest")] = None,
    text: Annotated[str | None, typer.Option(help="what is said in the clip")] = None,
    audio: Annotated[Path | None, typer.Option(help="a separate sound file of the clip")] = None,
    start: Annotated[float | None, typer.Option(help="seconds, where the utterance begins")] = None,
    end: Annotated[float | None, typer.Option(help="seconds, where it ends")] = None,
    id: Annotated[str | None, typer.Option("--id", help="the row of a manifest")] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="folder for data and pictures; by default in the run, or RUN-explanations here where it is no folder of yours",
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="print the data as JSON")] = False,
) -> None:
    """Ask the run with every set of modalities, write what came of it."""
    from emofuse.data.clip import check_times, clip_utterance
    from emofuse.data.manifest_files import is_manifest_file
    from emofuse.data.recording_file import check_file
    from emofuse.explanation import EncodedDialogue, explain_gates, has_gates, write_explanation, write_gates
    from emofuse.explanation import explain as explain_utterance
    from emofuse.pipeline import EmotionPipeline
    from emofuse.runs.device_name import check_device_name

    check_device_name(device, option("device"))
    check_times(start, end, option)
    run, clip = _run_and_clip(run, clip)
    if out is not None:
        check_new_folder(out)
    utterance = None
    if clip is not None and is_manifest_file(clip):
        check_file(clip)
    elif id is not None:
        raise EmofuseError("--id names a row of a manifest; give the manifest in the clip's place")
    else:
        utterance, _ = clip_utterance(clip, text=text, audio=audio, start=start, end=end)
    pipe = EmotionPipeline.from_pretrained(run, device=device)
    for note in pipe.notes:
        typer.echo(f"note: {note}", err=True)
    dialogue: Sequence[Utterance] = ()
    if utterance is None:
        assert clip is not None
        utterance, dialogue = _row(clip, id, pipe.data)
    folder = out or _usual_out(run, Path(utterance.id).stem)
    check_new_folder(folder)
    encoded = EncodedDialogue(pipe, dialogue).around(utterance)
    gates = explain_gates(pipe, utterance, encoded) if has_gates(pipe) else None
    # A value has gates, and no probability that a modality could move.
    valued = gates is not None and pipe.task.name == "regression"
    found = None if valued else explain_utterance(pipe, utterance, encoded)
    files = write_explanation(found, folder) if found is not None else []
    files += write_gates(gates, folder) if gates is not None else []
    if as_json:
        content = found.to_dict() if found is not None else {}
        content |= {"gates": gates.to_dict()} if gates is not None else {}
        typer.echo(json.dumps(content, ensure_ascii=False))
        return
    for line in [*(_lines(found) if found is not None else []), *(_gate_lines(gates) if gates else [])]:
        typer.echo(line)
    typer.echo("written: " + ", ".join(str(file) for file in files))


def _run_and_clip(run: Path | None, clip: Path | None) -> tuple[Path, Path | None]:
    """The run, or the starter as in `emofuse predict`, and the clip."""
    run, clips = run_and_clips(run, None if clip is None else [clip])
    if clips is not None and len(clips) > 1:
        raise EmofuseError(f"{clips[0]}: is no run; name a run first, such as starter, and one clip")
    return run, clips[0] if clips else None


def _usual_out(run: Path, name: str) -> Path:
    """In the run; of one that came by pip or from the hub, beside: a folder called as it is would hide it from then on."""
    from emofuse.runs.hub import is_hub_name
    from emofuse.runs.named_run import is_starter
    from emofuse.runs.run_folder import RunFolder

    if is_starter(run) or is_hub_name(run):
        return RunFolder(Path(f"{'-'.join(run.parts)}-explanations")).inside(name)
    return RunFolder(run).inside("explanations", name)


def _row(path: Path, id: str | None, data: DataSettings) -> tuple[Utterance, list[Utterance]]:
    """A row of a manifest; the others of its dialogue, and those that it is standardised with."""
    from emofuse.data.manifest import Manifest
    from emofuse.runs.normalisation import companions_of

    if id is None:
        raise EmofuseError(f"{path}: say which row with --id")
    manifest = Manifest.read(path).validate()
    utterance = manifest.utterance(id)
    beside = companions_of(manifest, [utterance.id], data)
    return utterance, [r for r in manifest.rows() if r.dialogue == utterance.dialogue or r.id in beside]


def _lines(found: Explanation) -> list[str]:
    lines = [f"{found.id}: {found.label} {100 * found.probabilities[found.label]:.1f} %"]
    lines.append(f"  given nothing, the run says {found.label} with {100 * found.nothing[found.label]:.1f} %")
    lines += [
        f"  {modality}: {100 * found.shapley[modality][found.label]:+.1f} points (Shapley), "
        f"{100 * found.leave_one_out[modality][found.label]:+.1f} when it joins the others"
        for modality in found.modalities
    ]
    lines += [f"  without {modality}: {why}" for modality, why in found.missing.items()]
    lines += [f"  note: {note}" for note in found.notes]
    return lines


def _gate_lines(found: Gates) -> list[str]:
    lines = [f"gates, {found.id}: {found.said}"]
    for modality, track in found.tracks.items():
        counted = track.counted.sum()
        mean = track.mean[track.counted].mean()
        lines.append(
            f"  {modality}: {counted} of {len(track.mean)} steps count, {100 * mean:.0f} % of them passes"
        )
    lines += [f"  without {modality}: {why}" for modality, why in found.missing.items()]
    return lines + [f"  note: {note}" for note in found.notes]
