import itertools
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_rgb

from emofuse.evaluation.metrics.estimate import Estimate
from emofuse.evaluation.reporting.figures import emotion_colours
from emofuse.evaluation.reporting.figures.style import lighten, readable_text_colour
from emofuse.evaluation.reporting.printable import printable, storable

EKMAN = ("neutral", "joy", "sadness", "anger", "surprise", "fear", "disgust")
IEMOCAP = ("happy", "sad", "neutral", "angry", "excited", "frustrated")

# Machado, Oliveira and Fernandes (2009), severity 1.0, on linear RGB.
VISION = {
    "trichromat": np.eye(3),
    "protanope": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranope": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
}


def lab(colour: str, seen_through: np.ndarray) -> np.ndarray:
    """CIE L*a*b* (D65) of a colour as somebody with this vision sees it."""
    srgb = np.array(to_rgb(colour))
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    linear = np.clip(np.asarray(seen_through) @ linear, 0, 1)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    x, y, z = to_xyz @ linear / [0.9505, 1.0, 1.089]
    f = [c ** (1 / 3) if c > (6 / 29) ** 3 else c / (3 * (6 / 29) ** 2) + 4 / 29 for c in (x, y, z)]
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("labels", [EKMAN, IEMOCAP])
@pytest.mark.parametrize("vision", VISION)
def test_the_usual_emotions_stay_apart_for_every_eye(vision, labels):
    seen = {label: lab(colour, VISION[vision]) for label, colour in emotion_colours(labels).items()}
    distances = {(a, b): float(np.linalg.norm(seen[a] - seen[b])) for a, b in itertools.combinations(seen, 2)}
    closest = min(distances, key=distances.get)
    # 2.3 is just noticeable; a bar beside another needs several times that.
    assert distances[closest] > 15, (closest, distances[closest])


def test_an_emotion_has_one_colour_whatever_the_corpus_calls_it():
    meld = emotion_colours(EKMAN)
    iemocap = emotion_colours(["Happy", "sad", " Angry", "neutral"])
    assert iemocap["Happy"] == meld["joy"]
    assert iemocap["sad"] == meld["sadness"]
    assert iemocap[" Angry"] == meld["anger"]
    assert emotion_colours(["fear"])["fear"] == meld["fear"]


@given(st.lists(st.text(max_size=3), unique=True, max_size=20))
def test_colours_are_distinct_and_keep_the_order_of_the_labels(labels):
    colours = emotion_colours(labels)
    assert list(colours) == labels
    assert len(set(colours.values())) == len(labels)


def test_two_words_for_one_emotion_do_not_share_a_colour():
    colours = emotion_colours(["joy", "happy"])
    assert colours["joy"] == emotion_colours(["joy"])["joy"] != colours["happy"]


def test_more_labels_than_colours_still_have_one_each_time_the_same():
    labels = [f"mood {n}" for n in range(40)]
    assert emotion_colours(labels) == emotion_colours(labels)
    assert set(emotion_colours(labels)) == set(labels)


@pytest.mark.parametrize("colour", [*emotion_colours(EKMAN).values(), "#ffffff", "#000000", "#062a4f"])
def test_words_on_a_colour_have_the_contrast_that_wcag_asks_for(colour):
    def luminance(shade):
        c = np.array(to_rgb(shade))
        return np.where(c <= 0.03928, c / 12.92, ((c + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722]

    light, dark = sorted([luminance(colour), luminance(readable_text_colour(colour))], reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 4.5


def test_a_lighter_colour_lies_between_the_colour_and_grey():
    assert lighten("#000000", 0.5) == pytest.approx((0.43, 0.43, 0.43))
    assert lighten("#0072b2", 0) == pytest.approx(to_rgb("#0072b2"))


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (None, ""),
        (3, "3"),
        ("  two\nlines\tand  more ", "two lines and more"),
        ("Ça alors, 本当に? ❤", "Ça alors, 本当に? ❤"),
        ("bell\x07 and null\x00", "bell� and null�"),
        ("half a pair \ud83d", "half a pair �"),
        ("evil\u202etxt.exe", "eviltxt.exe"),
    ],
)
def test_printable(raw, shown):
    assert printable(raw) == shown


def test_printable_shortens_with_an_ellipsis():
    assert printable("abcdefgh", 5) == "abcd…"
    assert printable("abcde", 5) == "abcde"
    assert printable("abc defgh", 5) == "abc…"


@given(st.text())
def test_what_is_storable_is_utf8_and_xml(text):
    clean = storable(text)
    node = ElementTree.Element("t")
    node.text = clean
    assert ElementTree.fromstring(ElementTree.tostring(node, "utf-8")).text == (clean or None)


def test_an_estimate_says_its_value_and_what_is_known_around_it():
    known = Estimate.of(0.7244, (0.6912, 0.7555))
    assert (known.value_text(), known.spread_text(), known.whisker) == (
        "72.4",
        "69.1 to 75.5",
        (0.6912, 0.7555),
    )
    folds = Estimate(0.7, sd=0.013)
    assert (folds.spread_text(), folds.whisker) == ("± 1.3", pytest.approx((0.687, 0.713)))
    error = Estimate.of(0.8412, (0.8, 0.9), share=False)
    assert (error.value_text(), error.spread_text()) == ("0.841", "0.800 to 0.900")
    assert Estimate(-0.02).value_text() == "−2.0"


@pytest.mark.parametrize("interval", [None, (float("nan"), float("nan")), (0.2, float("nan"))])
def test_an_interval_that_is_not_known_is_none(interval):
    alone = Estimate.of(0.5, interval)
    assert alone.whisker is None
    assert alone.spread_text() == ""


def test_an_undefined_score_is_a_dash():
    assert Estimate(float("nan")).value_text() == "–"
    assert not Estimate(float("nan")).defined
    assert Estimate(0.5, sd=float("nan")).whisker is None
