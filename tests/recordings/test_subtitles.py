import os
from pathlib import Path

import pytest

from emofuse.errors import EmofuseError
from emofuse.recordings.cues import Cue, utterances_of
from emofuse.recordings.spoken import NoUtteranceError, Spoken, ends_sentence
from emofuse.recordings.subtitles import cues_of_text, read_subtitles, subtitles_beside

SRT = """1
00:00:01,000 --> 00:00:02,500
ROSS: We were on
a break!

2
00:00:03,000 --> 00:00:04,000
<i>How old is he?</i>

3
00:00:05,000 --> 00:00:06,000
42
"""
VTT = """WEBVTT - a title

STYLE
::cue { color: red }

NOTE
nobody reads this

intro
00:01.000 --> 00:02.500 align:start position:10%
<v Ross>We were on
a break!

2nd
00:00:03.000 --> 00:00:04.000
<c.yellow>How old is he?</c>

00:05.000 --> 00:06.000
42

NOTE the end
"""
ASS = """[Script Info]
ScriptType: v4.00+

[V4+ Styles]
Format: Name, Fontname, Fontsize
Style: Default,Arial,20

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
Comment: 0,0:00:00.00,0:00:01.00,Default,,0,0,0,,not shown
Dialogue: 0,0:00:01.00,0:00:02.50,Default,Ross,0,0,0,,{\\an8}We were on\\Na break!
Dialogue: 1,0:00:01.00,0:00:02.50,Default,Ross,0,0,0,,{\\blur3}We were on\\Na break!
Dialogue: 0,0:00:03.00,0:00:04.00,Default,,0,0,0,,How old is he?
Dialogue: 0,0:00:03.00,0:00:04.00,Default,,0,0,0,,{\\p1}m 0 0 l 10 10{\\p0}
Dialogue: 0,0:00:03.00,0:00:04.00,Main Signs,,0,0,0,,{\\pos(1,1)}NO ENTRY
Dialogue: 0,0:00:03.00,0:00:04.00,OP2_Romaji,,0,0,0,,la la
Dialogue: 0,0:00:05.00,0:00:06.00,Opinion,,0,0,0,,42
"""


@pytest.mark.parametrize(
    ("text", "name"), [(SRT, "ROSS"), (VTT, "Ross"), (ASS, "Ross")], ids=["srt", "vtt", "ass"]
)
def test_the_same_subtitles_say_the_same_in_each_format(text: str, name: str) -> None:
    assert utterances_of(cues_of_text(text, "a file")).spoken == [
        Spoken(1.0, 2.5, name, "We were on a break!"),
        Spoken(3.0, 4.0, None, "How old is he?"),
        Spoken(5.0, 6.0, None, "42"),
    ]


def cues(*given: tuple[float, float, str]) -> list[Cue]:
    return [Cue(start, end, raw) for start, end, raw in given]


def test_a_cue_of_two_people_is_divided_by_the_lengths_of_what_they_say() -> None:
    read = utterances_of(cues((10.0, 14.0, "- Yes.\n- No, never, no!")))
    assert [one.text for one in read.spoken] == ["Yes.", "No, never, no!"]
    assert [(one.start, one.end) for one in read.spoken] == [
        (10.0, pytest.approx(10.8889, abs=1e-3)),
        (pytest.approx(10.8889, abs=1e-3), 14.0),
    ]


def test_a_sentence_over_several_cues_is_one_utterance_and_two_sentences_are_two() -> None:
    read = utterances_of(
        cues((0, 2, "I wanted to say"), (2.1, 4, "that it was Mr."), (4.1, 5, "Jones."), (5.1, 6, "Well."))
    )
    assert read.spoken == [
        Spoken(0, 5, None, "I wanted to say that it was Mr. Jones."),
        Spoken(5.1, 6, None, "Well."),
    ]


def test_a_pause_or_another_speaker_ends_an_open_sentence() -> None:
    read = utterances_of(cues((0, 1, "ROSS: I wanted"), (1.1, 2, "RACHEL: What"), (3, 4, "is it?")))
    assert [(one.speaker, one.text) for one in read.spoken] == [
        ("ROSS", "I wanted"),
        ("RACHEL", "What"),
        (None, "is it?"),
    ]


def test_a_cue_without_length_gets_the_time_its_text_takes_up_to_the_next() -> None:
    read = utterances_of(
        cues((1, 1, "Forty-five characters are said in three secs."), (9, 8, "Oh."), (9.3, 10, "Hm?"))
    )
    assert read.guessed == 2
    assert [(one.start, one.end) for one in read.spoken] == [(1, 4.0), (9, 9.3), (9.3, 10)]


def test_overlapping_cues_stay_two_utterances_and_the_same_words_at_once_are_one() -> None:
    read = utterances_of(cues((0, 3, "I know."), (1, 2, "You do?"), (1.5, 4, "I know.")))
    assert read.spoken == [Spoken(0, 4, None, "I know."), Spoken(1, 2, None, "You do?")]


def test_lines_that_roll_from_cue_to_cue_are_said_once() -> None:
    read = utterances_of(
        cues(
            (0, 2, "first line\nand more"),
            (2, 4, "and more\nto say."),
            (4, 4.01, "to say."),
            (4.01, 6, "Then?"),
        )
    )
    assert [one.text for one in read.spoken] == ["first line and more to say.", "Then?"]


def test_music_and_sounds_are_counted_and_left_out() -> None:
    read = utterances_of(cues((0, 2, "♪ la la ♪"), (2, 4, "[door slams]"), (4, 5, "Who?")))
    assert (read.silent, [one.text for one in read.spoken]) == (2, ["Who?"])


def test_subtitles_beside_a_recording_are_found_its_own_name_first(tmp_path: Path) -> None:
    for name in ("film.en.srt", "Film.VTT", "film.forced.srt", "film2.srt", "other.srt", "film.txt"):
        (tmp_path / name).write_text(SRT, "utf-8")
    found = [file.name for file in subtitles_beside(tmp_path / "film.mp4")]
    assert found == ["Film.VTT", "film.en.srt", "film.forced.srt"]


@pytest.mark.parametrize(
    ("encoding", "given", "note"),
    [
        ("utf-8", None, False),
        ("utf-8-sig", None, False),
        ("utf-16", None, False),
        ("cp1252", None, True),
        ("cp1251", "cp1251", False),
    ],
)
def test_text_is_read_in_its_encoding(tmp_path: Path, encoding: str, given: str | None, note: bool) -> None:
    said = "Это да" if encoding == "cp1251" else "Zoë, où es-tu?"
    file = tmp_path / "a.srt"
    file.write_bytes(f"1\r\n00:00:01,000 --> 00:00:02,000\r\n{said}\r\n".encode(encoding))
    cues_read, notes = read_subtitles(file, given)
    assert [cue.raw for cue in cues_read] == [said]
    assert bool(notes) is note


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is no subtitles"),
        (b"hello\nthere", "is no subtitles"),
        (b"\0\x01\x02 --> \xff", "no text in UTF-8"),
        (b"WEBVTT\n\nNOTE nothing\n", "no cue"),
        (b"[Script Info]\n[Events]\nDialogue: a,b,c\n", "a.srt"),
        (b"1\n00:00:01,000 --> 00:00:02,000\n" + b"<a" * 60_000, "longer than a cue"),
        (b"1\n00:00:01,000 --> 00:00:02,000\n" + b"<a\n" * 60_000, "longer than a cue"),
    ],
)
def test_garbage_is_refused_in_one_line_that_names_the_file(
    tmp_path: Path, content: bytes, message: str
) -> None:
    file = tmp_path / "a.srt"
    file.write_bytes(content)
    with pytest.raises(EmofuseError, match=message) as caught:
        read_subtitles(file)
    assert "a.srt" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"WEBVTT\n\nNOTE nothing\n", b"\xff\xfea"])
def test_what_subtitles_lack_is_told_apart_from_options(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.srt").write_bytes(content)
    with pytest.raises(NoUtteranceError) as caught:
        read_subtitles(tmp_path / "a.srt")
    assert "--" in caught.value.advice
    assert "--" not in caught.value.what, "a server's client has no options"
    assert caught.value.by_sound


def test_an_encoding_that_is_none_and_a_missing_file_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.srt").write_text(SRT, "utf-8")
    with pytest.raises(EmofuseError, match="no text encoding 'klingon'"):
        read_subtitles(tmp_path / "a.srt", "klingon")
    with pytest.raises(EmofuseError, match=r"b\.srt: cannot be read"):
        read_subtitles(tmp_path / "b.srt")


def test_a_title_ends_no_sentence() -> None:
    assert ends_sentence("He left.")
    assert ends_sentence('"He left?"')
    assert not ends_sentence("I saw Mr.")
    assert not ends_sentence("")


@pytest.mark.timeout(20)  # who opens a pipe waits
def test_a_pipe_in_the_place_of_subtitles(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.srt")
    with pytest.raises(EmofuseError, match=r"a\.srt: cannot be read \(it is no regular file\)"):
        read_subtitles(tmp_path / "a.srt")
