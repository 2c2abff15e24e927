"""Pieces of the page as HTML; whatever came from outside is escaped."""

from __future__ import annotations

from html import escape
from importlib.util import find_spec

from emofuse.app.limits import MEGABYTE, ServeLimits
from emofuse.app.schemas import JobStatus, Prediction, RunDescription, Segment


def introduction(run: RunDescription, limits: ServeLimits) -> str:
    """What the page is, what the run can do, and what becomes of a recording."""
    notes = "".join(f"<p><strong>Note:</strong> {escape(note)}</p>" for note in run.notes)
    minutes = limits.recording_seconds / 60
    return (
        "<h1>Which emotions are in a recording, and when?</h1>"
        f"<p>The run <em>{escape(run.name)}</em> knows {escape(', '.join(run.labels))}, from "
        f"{escape(', '.join(run.modalities))}. Recordings of up to {limits.upload_bytes / MEGABYTE:g} MB and "
        f"{minutes:g} minutes. A recording is deleted as soon as it is predicted, what the page itself holds of it after "
        f"{limits.kept_seconds / 60:g} minutes. "
        '<a href="docs" target="_blank" rel="noopener">The interface for programs</a></p>' + notes
    )


def sees_faces() -> bool:
    """Whether a detector of faces is installed."""
    return find_spec("mtcnn") is not None and find_spec("lz4") is not None


def utterance_choices() -> list[tuple[str, str]]:
    """How a recording can be cut here, as it is shown and as it is asked for."""
    from emofuse.recordings import recognisers, voice_activity

    choices = [("the whole, or by seconds below", "")]
    if voice_activity.is_installed() or recognisers.is_installed():
        choices.append(("found by themselves", "auto"))
    return choices


def progress_box(status: JobStatus) -> str:
    """How far a job is."""
    if status.state == "waiting":
        before = status.position or 0
        words = "Next in the queue" if before == 0 else f"In the queue, {before} before it"
        return f'<div class="emofuse-progress" role="status"><p>{words} …</p><progress></progress></div>'
    part = f' value="{status.done}" max="{status.total}"' if status.total else ""
    words = f"{status.doing}: {status.done} of {status.total}" if status.total else "begun"
    return (
        f'<div class="emofuse-progress" role="status"><p>{escape(words)}</p><progress{part}></progress></div>'
    )


def error_box(line: str) -> str:
    """Why there is no answer."""
    return f'<div class="emofuse-error" role="alert">{escape(line)}</div>'


def timeline_frame(job_id: str, *, has_page: bool) -> str:
    """The timeline, in a frame of its own."""
    if not has_page:
        return error_box("There is no timeline of it.")
    place = f"jobs/{escape(job_id)}"
    return (
        f'<iframe src="{place}/page" title="Timeline of emotions" sandbox="allow-scripts allow-downloads"></iframe>'
        f'<p><a href="{place}/page" target="_blank" rel="noopener">The timeline alone</a> · '
        f'<a href="{place}" target="_blank" rel="noopener">as JSON</a></p>'
    )


def explanation_table(prediction: Prediction) -> str:
    """How much each modality moved each label, where that was asked for."""
    explained = [s for s in prediction.segments if s.explanation is not None]
    if not explained:
        return ""
    modalities = sorted({m for s in explained for m in s.explanation.shapley})  # type: ignore[union-attr]
    head = "".join(f"<th>{escape(m)}</th>" for m in modalities)
    rows = "".join(_row(s, modalities) for s in explained)
    notes = {note for s in explained for note in s.explanation.notes}  # type: ignore[union-attr]
    footnotes = "".join(f"<p>{escape(note)}</p>" for note in sorted(notes))
    more = len(prediction.segments) - len(explained)
    left = f"<p>The first {len(explained)} of {len(prediction.segments)} segments.</p>" if more else ""
    return (
        "<h2>What moved it</h2><p>Points by which each modality moved the probability of the label (exact Shapley "
        f"values).</p><table><thead><tr><th>when</th><th>label</th>{head}</tr></thead><tbody>{rows}</tbody></table>"
        f"{left}{footnotes}"
    )


def _row(segment: Segment, modalities: list[str]) -> str:
    when = "" if segment.end is None else f"{segment.start:.1f}–{segment.end:.1f} s"
    assert segment.explanation is not None
    shares = segment.explanation.shapley
    cells = "".join(f"<td>{_points(shares.get(m))}</td>" for m in modalities)
    label = escape(segment.label or "no prediction")
    return f"<tr><td>{when}</td><td>{label}</td>{cells}</tr>"


def _points(share: float | None) -> str:
    return "" if share is None else f"{100 * share:+.1f}"
