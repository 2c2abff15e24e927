"""Who is seen speaking: faces followed over pictures, and the one whose mouth moves while the sound is loud.

A mouth that moves says that somebody speaks, chews or smiles. Where several faces move, the answer is a guess, and its
margin says so. A network that was trained for it knows better; its weights are the user's to name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from emofuse.data.audio import read_audio
from emofuse.data.face_place import FacePlace, overlaps
from emofuse.data.frames import read_frames
from emofuse.data.media import probe
from emofuse.data.media_error import MediaError
from emofuse.data.sampling_rate import RATE as _SOUND_RATE
from emofuse.recordings.spoken import Progress, Spoken

RATE = 8.0  # pictures per second
LONGEST_LOOK = 5.0  # seconds of an utterance that are looked at
LONGEST_SIDE = 640  # pixels of the pictures that faces are looked for in
SAME_FACE = 0.3  # intersection over union from which two boxes in a row are one face
MOST_MISSED = 2  # pictures in a row in which a face may not be found
LEAST_SEEN = 0.5  # share of an utterance's pictures in which a speaker's face is found
LOOK_AT_EVERY = 3  # pictures that a network reads; faces are looked for in one of so many
LEAST_PROBABILITY = 0.5  # from which a network's word counts
LEAST_MOVEMENT = 1.0  # grey levels of 255; less is the noise of a camera
_SIDE = 32  # pixels to which a face is brought before it is compared with itself

Detector = Callable[[NDArray[np.uint8]], tuple[NDArray[np.float32], NDArray[np.int64]]]
"""Pictures (n, H, W, 3) to boxes (N, 4) in pixels, and (N,) the picture that each is in."""


class FaceScorer(Protocol):
    """A network that says whether a face says what is heard.

    Attributes:
        rate: pictures per second that it reads.
    """

    rate: float

    def score(
        self, pictures: NDArray[np.uint8], boxes: NDArray[np.float64], samples: NDArray[np.float32]
    ) -> float:
        """The probability, of pictures (T, H, W, 3), the face in each (T, 4), and the sound at 16 kHz."""


@dataclass(frozen=True)
class SeenSpeaker:
    """Who of those that are seen speaks in an utterance.

    Attributes:
        face: (4,) x1, y1, x2, y2 of the speaker's face, as shares of the picture's width and height.
        listeners: the same of every other face that is followed through the utterance.
        margin: 0 to 1, how much less the next face's mouth moves; 1 for a face alone.
    """

    face: FacePlace
    listeners: tuple[FacePlace, ...]
    margin: float


def link_faces(boxes: Sequence[NDArray[np.float32]]) -> list[dict[int, int]]:
    """Follow faces from picture to picture: those that overlap most are one, by the best assignment of all at once.

    Args:
        boxes: of each picture, (faces, 4).

    Returns:
        One mapping for each face that is followed: picture → row of its boxes.
    """
    from scipy.optimize import linear_sum_assignment

    tracks: list[dict[int, int]] = []
    for picture, found in enumerate(boxes):
        alive = [track for track in tracks if picture - max(track) <= MOST_MISSED + 1]
        taken: set[int] = set()
        if alive and len(found):
            last = np.stack([boxes[max(track)][track[max(track)]] for track in alive])
            shared = overlaps(last, found)
            for row, column in zip(*linear_sum_assignment(-shared), strict=True):
                if shared[row, column] >= SAME_FACE:
                    alive[row][picture] = int(column)
                    taken.add(int(column))
        tracks += [{picture: column} for column in range(len(found)) if column not in taken]
    return tracks


def mouth_movement(
    pictures: NDArray[np.uint8], boxes: Sequence[NDArray[np.float32]], track: dict[int, int]
) -> NDArray[np.float64]:
    """How much a face's lower third changes from picture to picture, beyond its upper half: (pictures,) grey levels.

    What moves the whole face, as a nod or the light does, moves both. 0 where the face was not found twice in a row.
    """
    movement = np.zeros(len(pictures))
    before: dict[int, NDArray[np.float64]] = {}
    for picture in sorted(track):
        left, top, right, bottom = (float(edge) for edge in boxes[picture][track[picture]])
        face = (
            Image.fromarray(pictures[picture])
            .convert("L")
            .crop((round(left), round(top), round(right), round(bottom)))
        )
        now = np.asarray(face.resize((_SIDE, _SIDE), Image.Resampling.BILINEAR), np.float64)
        if picture - 1 in before:
            change = np.abs(now - before[picture - 1])
            lower, upper = change[2 * _SIDE // 3 :, _SIDE // 5 : -_SIDE // 5], change[: _SIDE // 2]
            movement[picture] = max(0.0, float(lower.mean() - upper.mean()))
        before = {picture: now}
    return movement


def choose_speaker(
    pictures: NDArray[np.uint8], boxes: Sequence[NDArray[np.float32]], loudness: NDArray[np.float64]
) -> SeenSpeaker | None:
    """The face whose mouth moves most while the sound is loud; None where no face is followed, or none moves.

    Args:
        pictures: (n, H, W, 3) of an utterance.
        boxes: of each picture, (faces, 4) in pixels.
        loudness: (n,) of the sound around each picture.
    """
    tracks = _long_tracks(boxes)
    weights = loudness / max(float(loudness.sum()), 1e-12)
    scores = [float(weights @ mouth_movement(pictures, boxes, track)) for track in tracks]
    return _chosen(boxes, tracks, scores, LEAST_MOVEMENT, pictures.shape[1:3])


def choose_by_network(
    pictures: NDArray[np.uint8],
    boxes: Sequence[NDArray[np.float32]],
    samples: NDArray[np.float32],
    network: FaceScorer,
) -> SeenSpeaker | None:
    """The face that most probably says what is heard; None where no face is followed, or none does as likely as not.

    Args:
        pictures: (n, H, W, 3) of an utterance, at the network's rate.
        boxes: of every third picture, (faces, 4) in pixels; in between a face moves evenly.
        samples: (m,) the sound at 16 kHz from the first picture on.
        network: that scores faces.
    """
    tracks = _long_tracks(boxes)
    scores = []
    for track in tracks:
        at = np.array(sorted(track)) * LOOK_AT_EVERY
        known = np.stack([boxes[i][track[i]] for i in sorted(track)]).astype(np.float64)
        begin, end = int(at[0]), int(at[-1]) + 1
        places = np.stack([np.interp(np.arange(begin, end), at, edge) for edge in known.T], axis=1)
        heard = samples[round(begin / network.rate * _SOUND_RATE) :]
        scores.append(network.score(pictures[begin:end], places, heard))
    return _chosen(boxes, tracks, scores, LEAST_PROBABILITY, pictures.shape[1:3])


def _long_tracks(boxes: Sequence[NDArray[np.float32]]) -> list[dict[int, int]]:
    return [track for track in link_faces(boxes) if len(track) >= LEAST_SEEN * len(boxes)]


def _chosen(
    boxes: Sequence[NDArray[np.float32]],
    tracks: Sequence[dict[int, int]],
    scores: Sequence[float],
    least: float,
    size: Sequence[int],
) -> SeenSpeaker | None:
    """The face with the best score, where that is ``least`` at least."""
    order = np.argsort(scores)[::-1]
    if not tracks or scores[order[0]] < least:
        return None
    places = [_place(boxes, tracks[i], size[0], size[1]) for i in order]
    margin = 1.0 - scores[order[1]] / scores[order[0]] if len(order) > 1 else 1.0
    return SeenSpeaker(places[0], tuple(places[1:]), margin)


def seen_speakers(
    recording: Path,
    spoken: Sequence[Spoken],
    progress: Progress | None = None,
    detect: Detector | None = None,
    network: FaceScorer | None = None,
) -> list[SeenSpeaker | None]:
    """Who is seen speaking in each utterance; None where nobody is, as when the speaker is off the picture.

    Args:
        recording: with picture and sound.
        spoken: its utterances.
        progress: called after each.
        detect: of faces, in the place of MTCNN.
        network: that says who speaks, in the place of moving mouths.

    Raises:
        EmofuseError: the recording holds no picture, or the extra ``faces`` is not installed.
    """
    info = probe(recording)
    if not info.has_video or not info.width or not info.height:
        raise MediaError(recording, "no-video", "it holds no picture, so nobody is seen to speak")
    scale = min(1.0, LONGEST_SIDE / max(info.width, info.height))
    size = max(2, round(info.height * scale)), max(2, round(info.width * scale))
    find = detect or _mtcnn()
    seen: list[SeenSpeaker | None] = []
    for one in spoken:
        seen.append(_look(recording, one, size, find, network))
        if progress is not None:
            progress(len(seen), len(spoken), "looking who speaks")
    return seen


def _look(
    recording: Path, one: Spoken, size: tuple[int, int], find: Detector, network: FaceScorer | None
) -> SeenSpeaker | None:
    end = min(one.end, one.start + LONGEST_LOOK)
    count = max(3, round((RATE if network is None else network.rate) * (end - one.start)))
    try:
        pictures = read_frames(recording, n=count, size=size, start=one.start, end=end)
        sound = read_audio(recording, start=one.start, end=end, rate=_SOUND_RATE)
    except MediaError:  # picture or sound end before the utterance does
        return None
    looked_at = pictures if network is None else pictures[::LOOK_AT_EVERY]
    found, picture_of = find(looked_at)
    boxes = [found[picture_of == i] for i in range(len(looked_at))]
    if network is not None:
        return choose_by_network(pictures, boxes, sound, network)
    loudness = np.array(
        [np.sqrt(np.mean(part**2)) if len(part) else 0.0 for part in np.array_split(sound, count)]
    )
    return choose_speaker(pictures, boxes, loudness)


def _mtcnn() -> Detector:
    from emofuse.encoders.mtcnn import MTCNN

    detector = MTCNN()

    def detect(pictures: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        faces = detector(pictures)
        return faces.boxes, faces.picture_of

    return detect


def _place(boxes: Sequence[NDArray[np.float32]], track: dict[int, int], height: int, width: int) -> FacePlace:
    """The median box of a face as shares of the picture, cut to its edges."""
    middle = np.median(np.stack([boxes[picture][row] for picture, row in track.items()]), axis=0)
    left, top, right, bottom = np.clip(middle / [width, height, width, height], 0.0, 1.0).tolist()
    return left, top, right, bottom
