"""An utterance of which nothing could be used has no label, whatever it is written as."""

import csv
import io
import json
from pathlib import Path

import pytest

from emofuse.app.live.events import SpokenUtterance, UtteranceLatency
from emofuse.cli.live import _line
from emofuse.cli.prediction_figure import draw_emotions
from emofuse.cli.prediction_lines import print_notes, print_segments
from emofuse.ensemble import mean_segments
from emofuse.folders.index_page import IndexRow, index_page
from emofuse.folders.results import StoredResult
from emofuse.inference.segments import EmotionSegment
from emofuse.inference.timeline import EmotionTimeline
from emofuse.inference.timelines.notebook import notebook_table
from emofuse.inference.timelines.table import segment_csv, segment_json
from tests.inference.timelines.made import LABELS, segment


def silent(start: float = 2.0) -> EmotionSegment:
    said = {"probabilities": {}, "used": (), "missing": {"audio": "silent"}, "text": None}
    return segment(start, start + 1, **{"label": None, **said})  # type: ignore[arg-type]


def test_tables_have_an_empty_cell_and_json_has_null() -> None:
    joy, none = csv.DictReader(io.StringIO(segment_csv([segment(0.0, 1.0), silent()])))
    assert (joy["label"], joy["p_joy"]) == ("joy", "0.7000")
    assert (none["label"], none["p_joy"], none["used"]) == ("", "", "")
    [stored] = json.loads(segment_json([silent()]))
    assert stored["label"] is None
    assert stored["probabilities"] == {}


def test_a_terminal_tells_it_apart(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    print_segments([segment(0.0, 1.0), silent()], as_json=False, as_csv=False)
    print_notes([segment(0.0, 1.0), silent()])
    draw_emotions([silent()], list(LABELS), tmp_path / "none.png")
    told = capsys.readouterr()
    assert "joy 70 %" in told.out
    assert "2.00–3.00 s  no prediction: nothing of it could be used\n    without audio: silent" in told.out
    assert "from nothing" not in told.out
    assert "no prediction for 1 of 2" in told.err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("segments", [[silent()], [segment(0.0, 1.0), silent()]])
def test_every_format_holds_it(segments: list[EmotionSegment], tmp_path: Path) -> None:
    timeline = EmotionTimeline(segments, LABELS)
    for suffix, words in {
        "vtt": "[no prediction]",
        "srt": "[no prediction]",
        "ass": "[no prediction]",
    }.items():
        assert words in timeline.save(tmp_path / f"a.{suffix}").read_text("utf-8")
    assert "no prediction 1" in timeline.save(tmp_path / "a.html").read_text("utf-8")
    for suffix in ("eaf", "TextGrid"):
        assert "emotion@Ross" in timeline.save(tmp_path / f"a.{suffix}").read_text("utf-8")
    assert "<b>no prediction</b>" in notebook_table(segments)
    page = index_page([IndexRow("a.wav", Path("a.html"), timeline)], {})
    assert f"{len(segments)} utterance" in page
    assert "no prediction 1" in page
    plain = [one.to_dict() for one in segments]
    state = {"size": 1, "mtime_ns": 1, "sha256": ""}
    kept = StoredResult.model_validate(
        {"emofuse": "0", "run": "r", "recording": state, "labels": [], "notes": [], "segments": plain}
    )
    assert list(kept.timeline()) == segments


def test_a_mean_is_of_runs_that_could_use_something() -> None:
    other = segment(2.0, 3.0, "anger")
    [half], [nothing] = mean_segments([[silent()], [other]]), mean_segments([[silent()], [silent()]])
    assert (half.label, half.probabilities) == ("anger", other.probabilities)
    assert nothing == silent()


def test_a_live_utterance_may_have_no_label() -> None:
    late = UtteranceLatency(pause=0.5, answer=0.5, total=1.0)
    said = SpokenUtterance(number=0, start=1.0, end=2.0, label=None, probabilities={}, latency=late)
    assert json.loads(said.model_dump_json())["label"] is None
    assert str(_line(said)).strip() == "1.00–2.00 s  no prediction  (1.00 s after its end)"
