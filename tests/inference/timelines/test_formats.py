import csv
import io
import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pandas as pd
import pympi
import pysubs2
import pytest

from emofuse.errors import EmofuseError
from emofuse.inference.timeline import EmotionTimeline
from emofuse.inference.timelines.lanes import speaker_lanes
from emofuse.inference.timelines.table import segment_csv
from tests.inference.timelines.made import EVIL_NAME, LABELS, dialogue, segment


@pytest.fixture
def timeline() -> EmotionTimeline:
    return EmotionTimeline(dialogue(), LABELS)


@pytest.mark.parametrize("suffix", ["vtt", "srt", "ass"])
def test_subtitles_have_a_cue_for_each_utterance_and_words_stay_words(
    timeline: EmotionTimeline, tmp_path: Path, suffix: str
) -> None:
    file = timeline.save(tmp_path / f"film.{suffix}")
    cues = pysubs2.load(str(file), keep_html_tags=True)
    assert [cue.start for cue in cues] == [500, 1500, 2000, 3000, 4000]
    assert [cue.end for cue in cues] == [2000, 2500, 3000, 3010, 5250]
    assert cues[0].text.replace("<v Ross>", "Ross: ") == "Ross: I can't believe it!\\N[joy 70 %]"
    assert "[anger 70 %]" in cues[3].text
    raw = file.read_text(encoding="utf-8")
    assert "\u202e" not in raw
    assert "\0" not in raw
    assert "<script>" not in raw or suffix == "ass"  # where no tag is read from angle brackets
    assert ("{\\an8}" in raw) is False
    assert raw.count("-->") == {"vtt": 5, "srt": 5, "ass": raw.count("-->")}[suffix]


def test_a_style_of_each_emotion_has_its_colour_and_the_word_is_said_besides(
    timeline: EmotionTimeline, tmp_path: Path
) -> None:
    cues = pysubs2.load(str(timeline.save(tmp_path / "film.ass")))
    style = cues.styles[cues[0].style]
    assert (style.outlinecolor.r, style.outlinecolor.g, style.outlinecolor.b) == (0xE6, 0x9F, 0x00)
    assert "joy" in cues[0].style
    assert "joy" in cues[0].text


def test_a_table_has_a_row_for_each_and_no_cell_is_a_formula(tmp_path: Path) -> None:
    timeline = EmotionTimeline([*dialogue(), segment(6, 7, text="=cmd|' /C calc'!A0", speaker="@me")], LABELS)
    frame = timeline.to_frame()
    assert list(frame.columns) == [
        *("id", "start", "end", "speaker", "label", "p_anger", "p_joy", "p_sadness", "used", "missing"),
        *("unfamiliar", "alone_text", "alone_audio", "text", "recording"),
    ]
    assert frame.loc[0, "alone_audio"] == "anger"
    assert frame.loc[4, "unfamiliar"] == "audio"
    assert frame["p_joy"].tolist() == [0.7, 0.2, 0.1, 0.2, 0.7, 0.7]
    rows = list(csv.DictReader(io.StringIO(timeline.save(tmp_path / "t.csv").read_text(encoding="utf-8"))))
    assert rows[5]["text"] == "'=cmd|' /C calc'!A0"
    assert rows[5]["speaker"] == "'@me"
    assert (rows[0]["p_joy"], rows[0]["start"], rows[0]["missing"]) == (
        "0.7000",
        "0.5",
        "video: no video was given",
    )


def test_json_holds_all_and_a_name_that_is_no_text_comes_back(tmp_path: Path) -> None:
    timeline = EmotionTimeline([segment(0, 1, recording="/films/\udcff.mp4")], LABELS)
    [told] = json.loads(timeline.save(tmp_path / "t.json").read_text(encoding="utf-8"))
    assert told == json.loads(json.dumps(timeline[0].to_dict()))
    assert told["recording"] == "/films/\udcff.mp4"


def test_a_table_shows_a_name_that_is_no_text() -> None:
    timeline = EmotionTimeline([segment(0, 1, recording="/films/\udcff.mp4")], LABELS)
    assert timeline.to_frame()["recording"].tolist() == [r"/films/\udcff.mp4"]
    [row] = csv.DictReader(io.StringIO(segment_csv(timeline)))
    assert row["recording"] == r"/films/\udcff.mp4"


def test_lanes_put_what_overlaps_into_rows() -> None:
    lanes = speaker_lanes(dialogue())
    assert [lane.speaker for lane in lanes] == ["Ross", EVIL_NAME]
    assert [lane.rows for lane in lanes] == [((0, 3), (1,)), ((2, 4),)]


def test_elan_has_tiers_for_each_speaker_and_a_vocabulary_to_choose_from(
    timeline: EmotionTimeline, tmp_path: Path
) -> None:
    (tmp_path / "films").mkdir()
    film = tmp_path / "films" / "a film.mp4"
    film.write_bytes(b"x")
    timeline = EmotionTimeline(
        [
            segment(s.start, s.end, s.label, speaker=s.speaker, text=s.text, recording=str(film))
            for s in timeline
        ],
        LABELS,
    )
    file = timeline.save(tmp_path / "film.eaf")
    document = pympi.Eaf(str(file))
    assert sorted(document.get_annotation_data_for_tier("emotion@Ross")) == [
        (500, 2000, "joy"),
        (3000, 3001, "anger"),
    ]
    assert document.get_annotation_data_for_tier("emotion@Ross 2") == [(1500, 2500, "anger")]
    assert document.get_annotation_data_for_tier("probability@Ross 2") == [(1500, 2500, "70 %")]
    assert document.get_annotation_data_for_tier("text@Ross 2") == [(1500, 2500, "I can't believe it!")]
    entries = document.get_cv_entries("emotions")
    assert {values[0][0] for values, _ in entries.values()} == set(LABELS)
    assert document.linguistic_types["emotion"]["CONTROLLED_VOCABULARY_REF"] == "emotions"
    [link] = document.get_linked_files()
    assert (link["RELATIVE_MEDIA_URL"], link["MIME_TYPE"]) == ("./films/a film.mp4", "video/mp4")
    root = ElementTree.parse(file).getroot()
    assert str(tmp_path) not in ElementTree.tostring(root, encoding="unicode")
    assert not list(tmp_path.glob("*.bak"))


def test_praat_reads_tiers_that_fill_the_time(timeline: EmotionTimeline, tmp_path: Path) -> None:
    grid = pympi.TextGrid(str(timeline.save(tmp_path / "film.TextGrid")), codec="utf-8")
    names = [name for _, name in grid.get_tier_name_num()]
    assert names[:3] == ["emotion@Ross", "probability@Ross", "text@Ross"]
    assert any('"<b onmouseover=x()>' in name for name in names)
    told = grid.get_tier("emotion@Ross").get_all_intervals()
    assert [(i[0], i[1], i[2]) for i in told] == [
        (0.0, 0.5, ""),
        (0.5, 2.0, "joy"),
        (2.0, 3.0, ""),
        (3.0, 3.001, "anger"),
        (3.001, 5.25, ""),
    ]


@pytest.mark.parametrize("name", ["a.vtt", "a.eaf", "a.TextGrid"])
def test_a_format_of_one_recording_refuses_several_and_what_has_no_time(tmp_path: Path, name: str) -> None:
    several = EmotionTimeline([segment(0, 1), segment(0, 1, recording="/films/b.mp4")])
    with pytest.raises(EmofuseError, match="belongs to one recording, and these predictions are of 2"):
        several.save(tmp_path / name)
    with pytest.raises(EmofuseError, match="nothing says when u0 was said"):
        EmotionTimeline([segment(0, None)]).save(tmp_path / name)
    with pytest.raises(EmofuseError, match="no prediction"):
        EmotionTimeline().save(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_name_without_a_format_is_refused(timeline: EmotionTimeline, tmp_path: Path) -> None:
    with pytest.raises(EmofuseError, match=r"let it end in \.html.*\.vtt.*\.TextGrid"):
        timeline.save(tmp_path / "film.doc")


def test_a_timeline_is_a_list(timeline: EmotionTimeline) -> None:
    assert timeline == dialogue()
    assert [s.label for s in timeline] == ["joy", "anger", "sadness", "anger", "joy"]
    part = timeline[1:3]
    assert isinstance(part, EmotionTimeline)
    assert part == dialogue()[1:3]
    assert part.labels == LABELS
    assert isinstance(EmotionTimeline().to_frame(), pd.DataFrame)


def test_a_notebook_shows_a_table_without_a_script(timeline: EmotionTimeline) -> None:
    shown = timeline._repr_html_()
    assert "<script" not in shown
    assert "&lt;/script&gt;&lt;script&gt;alert(1)" in shown
    assert shown.count("<tr>") == 6
    many = EmotionTimeline([segment(i, i + 1) for i in range(100)])
    assert "and 40 more" in many._repr_html_()
