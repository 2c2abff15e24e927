from emofuse.recordings.settings import SegmentSettings
from emofuse.recordings.spoken import Spoken
from emofuse.recordings.words import Word, heard_words, utterances_of_words

SETTINGS = SegmentSettings(pause=0.5, min_speech=0.25, longest=20)


def said(text: str, start: float = 0.0, each: float = 0.3) -> list[Word]:
    return [Word(start + i * each, start + (i + 1) * each, f" {word}") for i, word in enumerate(text.split())]


def test_sentences_and_pauses_end_utterances() -> None:
    words = [*said("I saw Mr. Bing. Did you?"), *said("well I did", start=3.0)]
    found = utterances_of_words(words, SETTINGS)
    assert [one.text for one in found] == ["I saw Mr. Bing.", "Did you?", "well I did"]
    assert (found[0].start, round(found[0].end, 3)) == (0.0, 1.2)
    assert found[2].start == 3.0


def test_a_very_short_sentence_joins_what_follows_without_a_pause_or_is_left_out() -> None:
    words = [Word(0, 0.2, " No."), Word(0.2, 0.6, " Never."), Word(5.0, 5.1, " Uh.")]
    assert utterances_of_words(words, SETTINGS) == [Spoken(0, 0.6, None, "No. Never.")]


def test_a_monologue_is_divided_at_its_longest_pause() -> None:
    words = said("a " * 40)
    shifted = [Word(w.start + 0.4 * (i >= 22), w.end + 0.4 * (i >= 22), w.text) for i, w in enumerate(words)]
    found = utterances_of_words(shifted, SegmentSettings(longest=8, pause=0.5))
    assert [len((one.text or "").split()) for one in found] == [22, 18]
    assert all(one.seconds <= 8 for one in found)


def test_a_script_without_spaces_gets_none() -> None:
    words = [Word(0, 0.5, "你好"), Word(0.5, 1, "吗？")]
    assert utterances_of_words(words, SETTINGS)[0].text == "你好吗？"


def test_words_beside_all_speech_are_made_up() -> None:
    words = [
        Word(0.0, 0.3, " Hi"),
        Word(5.0, 5.4, " Thanks"),
        Word(9.9, 10.3, " there"),
        Word(30, 31, " Bye"),
    ]
    kept = heard_words(words, [(0.2, 1.0), (10.0, 12.0)])
    assert [word.text for word in kept] == [" Hi", " there"]


def test_a_word_that_is_stretched_over_a_pause_ends() -> None:
    words = [Word(0, 6, " Well"), Word(6, 6.5, " yes")]
    found = utterances_of_words(words, SETTINGS)
    assert [(one.start, one.end) for one in found] == [(0, 2.0), (6, 6.5)]
