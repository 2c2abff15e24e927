import pytest

from emofuse.recordings.cue_text import CuePart, names_of, plain_lines, spoken_parts


def parts(raw: str, *names: str) -> list[tuple[str | None, str]]:
    return [(said.speaker, said.text) for said in spoken_parts(plain_lines(raw), frozenset(names))]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("ROSS: Hi, I'm fine.", [("ROSS", "Hi, I'm fine.")]),
        ("DR. O'NEIL: Now!", [("DR. O'NEIL", "Now!")]),
        ("MAN #2: Who?", [("MAN #2", "Who?")]),
        ("ЛЕНА: Да.", [("ЛЕНА", "Да.")]),
        ("[ROSS]: Hi.", [("ROSS", "Hi.")]),
        ("ROSS (laughing): Hi.", [("ROSS", "Hi.")]),
        ("(sighs) ROSS: Hi.", [("ROSS", "Hi.")]),
        (">> ROSS: Hi.", [("ROSS", "Hi.")]),
        ("I: never said that", [(None, "I: never said that")]),
        ("It is 3:30 now", [(None, "It is 3:30 now")]),
        ("Remember: never again", [(None, "Remember: never again")]),
        ("http://a.b is a page", [(None, "http://a.b is a page")]),
        ("<v Roger Bingham>We are in New York", [("Roger Bingham", "We are in New York")]),
        ("<v.loud Mary>Well <i>now</i></v>", [("Mary", "Well now")]),
        ("<v A>Hi. </v><v B>Hello.", [("A", "Hi."), ("B", "Hello.")]),
        ("Fish &amp; chips &lt;3", [(None, "Fish & chips <3")]),
        (r"{\an8\pos(1,2)}Up\Nhere{\i1}!{\i0}", [(None, "Up here!")]),
        ('<font color="#fff">White</font>', [(None, "White")]),
        ("- Hi.\n- Hello.", [(None, "Hi."), (None, "Hello.")]),
        ("- ROSS: Hi.\n- Hello.", [("ROSS", "Hi."), (None, "Hello.")]),
        ("- I was going\nto say it", [(None, "I was going to say it")]),
        ("ROSS: Hi.\nRACHEL: Hello,\nyou.", [("ROSS", "Hi."), ("RACHEL", "Hello, you.")]),
        ("♪ La la la ♪", []),
        ("♪ Love is\nall ♪\nTurn it off!", [(None, "Turn it off!")]),
        ("[laughs]", []),
        ("(door slams)\nWho is it?", [(None, "Who is it?")]),
        ("(the door\nslams shut) No!", [(None, "No!")]),
        ("Oh [sighs] well (coughs).", [(None, "Oh well.")]),
        ("*gasps* What?", [(None, "What?")]),
        ("...", []),
        ("ROSS:", []),
    ],
)
def test_what_a_cue_says_and_who_says_it(raw: str, expected: list[tuple[str | None, str]]) -> None:
    assert parts(raw) == expected


def test_a_name_in_small_letters_is_one_where_it_begins_lines_often_enough() -> None:
    cues = [plain_lines(raw) for raw in ("Ross: Hi.", "- Ross: Well.", "Remember: no.", "The point is: no.")]
    assert names_of(cues) == {"Ross"}
    assert parts("Ross: Hi.", "Ross") == [("Ross", "Hi.")]


def test_hostile_markup_takes_no_time() -> None:
    for raw in ("<a" * 10_000, "{" * 20_000, "[" * 20_000, "<v" + " " * 20_000, "(" * 9_999 + ")" * 9_999):
        spoken_parts(plain_lines(raw), frozenset())


def test_a_part_keeps_both_fields() -> None:
    assert CuePart("A", "b") == CuePart(speaker="A", text="b")
