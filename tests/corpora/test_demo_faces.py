"""Faces: expressions that a simple model reads on unseen people, and what each setting does to the drawing."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from emofuse.corpora.demo import EMOTIONS
from emofuse.corpora.demo.cast import make_cast
from emofuse.corpora.demo.expressions import EXPRESSIONS, Expression
from emofuse.corpora.demo.faces import Pose, draw_face
from emofuse.corpora.demo.film import film
from emofuse.corpora.demo.pen import Pen, curve, ellipse, mix
from emofuse.corpora.demo.scenery import paint_room
from emofuse.corpora.demo.voices import speak

CAST = make_cast(12, 0)
PLAIN = Image.new("RGB", (128, 128), (120, 140, 160))


def _drawn(**settings):
    return np.asarray(draw_face(PLAIN, CAST[0].look, Expression(), Pose(), **settings)).astype(int)


def _portraits(speakers, n, seed):
    rng = np.random.default_rng(seed)
    pixels, shown = [], []
    for i in range(n):
        look, emotion = speakers[rng.integers(len(speakers))].look, EMOTIONS[i % 6]
        pose = Pose(*rng.normal(0, 0.012, 2), rng.uniform(0.96, 1.04), rng.normal(0, 2))
        expression = EXPRESSIONS[emotion].varied(rng)
        face = draw_face(paint_room(96, rng), look, expression, pose, speech=rng.random()).reduce(4)
        pixels.append(np.asarray(face).ravel() / 255)
        shown.append(emotion)
    return np.array(pixels), shown


def test_a_simple_model_sees_the_emotion_of_unseen_speakers():
    pixels, shown = _portraits(CAST[:16], 480, 0)
    unseen, truth = _portraits(CAST[16:], 180, 1)
    model = make_pipeline(PCA(60, random_state=0), StandardScaler(), LogisticRegression(C=0.1, max_iter=1000))
    assert model.fit(pixels, shown).score(unseen, truth) >= 0.9


def test_rooms_say_nothing_but_differ():
    rooms = [np.asarray(paint_room(64, np.random.default_rng(seed))) for seed in range(4)]
    assert all(room.shape == (64, 64, 3) for room in rooms)
    assert min(np.abs(rooms[0].astype(int) - room).mean() for room in rooms[1:]) > 5


def test_speech_opens_the_mouth_and_nothing_else():
    changed = np.argwhere(np.abs(_drawn(speech=1.0) - _drawn()).sum(axis=2) > 30)
    assert len(changed) > 20
    assert changed[:, 0].min() > 0.6 * 128


def test_a_blink_shuts_the_eyes_and_nothing_else():
    changed = np.argwhere(np.abs(_drawn(blink=1.0) - _drawn()).sum(axis=2) > 30)
    assert len(changed) > 20
    assert changed[:, 0].max() < 0.6 * 128


@pytest.mark.parametrize("emotion", EMOTIONS[1:])
def test_each_expression_changes_the_face(emotion):
    shown = np.asarray(draw_face(PLAIN, CAST[0].look, EXPRESSIONS[emotion], Pose())).astype(int)
    assert np.mean(np.abs(shown - _drawn()).sum(axis=2) > 60) > 0.04


def test_every_look_can_show_everything():
    for speaker in CAST:
        faces = [
            np.asarray(draw_face(PLAIN, speaker.look, e, Pose(), speech=0.5)) for e in EXPRESSIONS.values()
        ]
        assert len({face.tobytes() for face in faces}) == len(EMOTIONS)
    assert len({speaker.look for speaker in CAST}) == len(CAST)


def test_drawing_leaves_the_room_as_it_is():
    room = paint_room(64, np.random.default_rng(0))
    before = room.tobytes()
    draw_face(room, CAST[0].look, EXPRESSIONS["joy"], Pose())
    assert room.tobytes() == before


def test_the_pose_moves_the_face():
    left, right = (_drawn_at(Pose(x=x)) for x in (-0.05, 0.05))
    skin = np.array(CAST[2].look.skin)
    columns = [np.argwhere(np.abs(picture - skin).sum(axis=2) < 10)[:, 1].mean() for picture in (left, right)]
    assert columns[1] - columns[0] == pytest.approx(0.1 * 128, abs=4)


def _drawn_at(pose):
    return np.asarray(draw_face(PLAIN, CAST[2].look, Expression(), pose)).astype(int)


def test_expressions_lie_between_rest_and_their_height():
    rest, apex = Expression(), EXPRESSIONS["anger"]
    assert rest.towards(apex, 0) == rest
    assert rest.towards(apex, 1).flush == pytest.approx(apex.flush)
    assert rest.towards(apex, 0.5).brow_inner == pytest.approx(apex.brow_inner / 2)
    varied = [apex.varied(np.random.default_rng(seed)).brow_inner for seed in range(20)]
    assert np.std(varied) > 0
    assert all(v < 0 for v in varied)


def test_a_film_rises_to_the_expression_and_relaxes():
    rng = np.random.default_rng(0)
    speech = speak("The notes are on the desk.", "neutral", CAST[4].voice, rng)
    still = replace(CAST[4].look, glasses=False)
    frames = list(film(still, "anger", speech, size=64, frame_rate=12.5, rng=rng))
    assert len(frames) == pytest.approx(speech.duration * 12.5, abs=1)
    assert all(f.shape == (64, 64, 3) and f.dtype == np.uint8 for f in frames)
    centre = np.array([f[20:44, 20:44].mean(axis=(0, 1)) for f in frames])
    redness = centre[:, 0] - centre[:, 1]
    assert redness[len(frames) // 2] > redness[0]
    assert redness[len(frames) // 2] > redness[-1]


@pytest.mark.parametrize("size", [32, 96, 130, 256])
def test_frames_have_the_size_asked_for(size):
    rng = np.random.default_rng(0)
    speech = speak("No.", "joy", CAST[0].voice, rng)
    assert next(film(CAST[0].look, "joy", speech, size=size, frame_rate=5, rng=rng)).shape == (size, size, 3)


def test_pen_places_shapes_where_it_is_told():
    picture = Image.new("RGB", (100, 100))
    pen = Pen(picture, (0.5, 0.25), 0.5, roll=90)
    pen.fill(ellipse(0.5, 0, 0.1, 0.1), (255, 0, 0))  # a quarter turn clockwise points to the right downwards
    rows, columns = np.nonzero(np.asarray(picture)[:, :, 0])
    assert rows.mean() == pytest.approx(50, abs=1)
    assert columns.mean() == pytest.approx(50, abs=1)


def test_curve_passes_through_its_three_points():
    line = curve((0, 0), (1, 2), (3, 1), points=9)
    np.testing.assert_allclose(line[[0, 4, 8]], [(0, 0), (1, 2), (3, 1)])


def test_mixing_colours_stays_within_them():
    assert mix((0, 0, 0), (100, 200, 50), 0.5) == (50, 100, 25)
    assert mix((0, 0, 0), (100, 200, 50), 7) == (100, 200, 50)
    assert mix((1, 2, 3), (100, 200, 50), -1) == (1, 2, 3)
