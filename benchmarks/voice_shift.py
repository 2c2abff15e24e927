"""What other lines, rooms and recorders cost the starter's expert of voices, and what learning from changed copies keeps.

    python -m benchmarks.voice_shift RAVDESS/manifest.csv --work voice-shift --write

Folds by actor. Discriminants with shrinkage, as in the starter, learn from the recordings of the training actors, or from them
and their changed copies (`emofuse.encoders.sound_augmentation`), and are judged on other actors' recordings as they are
and as each condition makes them. Babble, the codec and the quantised telephone are in no copy. Encoded sounds are
kept in --work, so an interrupted run goes on.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import av
import numpy as np
import torch
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import GroupKFold
from tqdm import tqdm

from benchmarks.machine import machine_line
from benchmarks.script import argument_parser
from emofuse.data.audio import read_audible
from emofuse.data.manifest import Manifest, Utterance
from emofuse.data.sampling_rate import RATE
from emofuse.encoders import EncoderSpec, create_encoder
from emofuse.encoders.augment_settings import AugmentSettings
from emofuse.encoders.sound_augmentation import Sound, augmented, in_a_room, telephone_band
from starter.build import COPIES as COPIED
from starter.build import RAVDESS_LABELS, SHRINKAGE, VOICE

RESULTS = Path(__file__).parent / "results" / "voice_shift.md"
SPEC, COPIES = EncoderSpec(**VOICE), AugmentSettings(**COPIED)
FOLDS = 6
_MU = 255.0


def mu_law(sound: Sound) -> Sound:
    """A telephone line of 8,000 samples a second and 8 bits each (ITU-T G.711)."""
    from scipy.signal import resample_poly

    slow = resample_poly(telephone_band(sound), 1, 2)
    small = np.sign(slow) * np.log1p(_MU * np.abs(np.clip(slow, -1, 1))) / np.log1p(_MU)
    steps = np.round(small * 127) / 127
    return resample_poly(np.sign(steps) * np.expm1(np.abs(steps) * np.log1p(_MU)) / _MU, 2, 1).astype(
        np.float32
    )


def opus(sound: Sound, bits: int = 12_000) -> Sound:
    """Through Opus at so many bits a second."""
    file = io.BytesIO()
    with av.open(file, "w", format="ogg") as written:
        stream = written.add_stream("libopus", rate=RATE, layout="mono")
        stream.bit_rate = bits
        frame = av.AudioFrame.from_ndarray(
            (np.clip(sound, -1, 1) * 32767).astype(np.int16)[None], "s16", "mono"
        )
        frame.sample_rate = RATE
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            written.mux(packet)
    file.seek(0)
    with av.open(file) as read:
        resampler = av.AudioResampler("flt", "mono", RATE)
        parts = [part.to_ndarray()[0] for frame in read.decode(audio=0) for part in resampler.resample(frame)]
        parts += [part.to_ndarray()[0] for part in resampler.resample(None)]
    return np.concatenate(parts)[: len(sound)]


class Conditions:
    """Recordings as another line, room or recorder would have brought them; each draw is the recording's own."""

    def __init__(self, read: Callable[[int], Sound], count: int) -> None:
        self._read, self._count = read, count

    def __call__(self, name: str, number: int) -> Sound:
        """The sound of a recording under a condition."""
        sound, rng = self._read(number), np.random.default_rng([1, number])
        if name.startswith("copy"):
            return augmented(sound, COPIES, int(name[-1]))
        changed = {
            "telephone": lambda: mu_law(sound),
            "babble, 10 dB": lambda: self._babble(sound, rng),
            "room, 0.6 s": lambda: in_a_room(sound, 0.6, rng),
            "Opus, 12 kbit/s": lambda: opus(sound),
        }[name]()
        return np.clip(changed, -1, 1).astype(np.float32)

    def _babble(self, sound: Sound, rng: np.random.Generator) -> Sound:
        """Four others speaking at once, 10 dB below."""
        others = [self._read(int(i)) for i in rng.choice(self._count, 4, replace=False)]
        noise = np.sum(
            [np.resize(other / np.sqrt(np.mean(other**2)), len(sound)) for other in others], axis=0
        )
        return (sound + noise * np.sqrt(np.mean(sound**2) / np.mean(noise**2) / 10)).astype(np.float32)


CONDITIONS = ("telephone", "babble, 10 dB", "room, 0.6 s", "Opus, 12 kbit/s")


def encoded(name: str, rows: Sequence[int], make: Callable[[int], Sound], work: Path) -> np.ndarray:
    """(N, d) features of recordings under a condition; kept in a file every hundred recordings."""
    file = work / f"{name.replace(' ', '-').replace('/', '-')}.npy"
    found = list(np.load(file)) if file.exists() else []
    if len(found) < len(rows):
        encoder = create_encoder(SPEC)
        for begin in tqdm(range(len(found), len(rows), 60), desc=name):
            found += list(np.asarray(encoder.encode([make(i) for i in rows[begin : begin + 60]])))
            np.save(file, np.array(found, np.float32))
    return np.array(found, np.float64)


class Expert:
    """Scaled, clipped vectors and discriminants, as in the starter."""

    def __init__(self, vectors: np.ndarray, labels: np.ndarray, shrinkage: float = SHRINKAGE) -> None:
        self.mean, self.scale = vectors.mean(0), vectors.std(0) + 1e-6
        count = len(np.unique(labels))
        self.model = LinearDiscriminantAnalysis(
            solver="lsqr", shrinkage=shrinkage, priors=np.full(count, 1 / count)
        ).fit(self._scaled(vectors), labels)

    def _scaled(self, vectors: np.ndarray) -> np.ndarray:
        return np.clip((vectors - self.mean) / self.scale, -5, 5)

    def say(self, vectors: np.ndarray) -> np.ndarray:
        """The labels of vectors."""
        return self.model.predict(self._scaled(vectors))


def per_recording(vectors: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Each actor's vectors without their mean and spread."""
    found = np.empty_like(vectors)
    for group in np.unique(groups):
        own = vectors[groups == group]
        found[groups == group] = (own - own.mean(0)) / (own.std(0) + 1e-6)
    return found


def scores(
    features: dict[str, np.ndarray], judged: np.ndarray, labels: np.ndarray, actors: np.ndarray
) -> Iterator[str]:
    """A row for each way to learn: average recall on other actors under each condition, with its spread over folds."""
    copies = [features[f"copy {n}"] for n in range(1, COPIES.copies + 1)]
    ways = {
        "the recordings": (False, 0),
        "and one changed copy": (False, 1),
        "and two changed copies": (False, 2),
        "the recordings, each actor standardised": (True, 0),
        "and two changed copies, each actor standardised": (True, 2),
    }
    plain = features["clean"]
    for way, (standardised, count) in ways.items():
        normal = (lambda x, g: per_recording(x, g)) if standardised else (lambda x, g: x)
        said = {
            name: np.empty(len(labels) if name == "clean" else len(judged), labels.dtype)
            for name in ("clean", *CONDITIONS)
        }
        for train, test in GroupKFold(FOLDS).split(plain, labels, actors):
            parts = [normal(x, actors)[train] for x in (plain, *copies[:count])]
            expert = Expert(np.concatenate(parts), np.tile(labels[train], 1 + count))
            said["clean"][test] = expert.say(normal(plain, actors)[test])
            held = np.isin(judged, test)
            for name in CONDITIONS:
                said[name][held] = expert.say(normal(features[name], actors[judged])[held])
        recalls = [
            balanced_accuracy_score(labels if name == "clean" else labels[judged], said[name])
            for name in said
        ]
        yield f"| {way} | " + " | ".join(f"{100 * r:.1f}" for r in (*recalls, np.mean(recalls[1:]))) + " |"


def main() -> None:
    """Encode what is missing, score, print or write the table."""
    parser = argument_parser(__doc__)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    given.work.mkdir(parents=True, exist_ok=True)
    manifest = Manifest.read(given.manifest).validate()
    rows: list[Utterance] = list(manifest.rows())
    labels = manifest.frame["label"].replace(RAVDESS_LABELS).to_numpy(str)
    actors = manifest.frame["speaker"].to_numpy(str)

    def read(number: int) -> Sound:
        return read_audible(rows[number].audio, rate=RATE).samples

    conditions = Conditions(read, len(rows))
    # A quarter of the recordings, to take a quarter of the time.
    judged = np.sort(np.random.default_rng(0).permutation(len(rows))[: len(rows) // 4])
    features = {"clean": encoded("clean", range(len(rows)), read, given.work)}
    for name in (*(f"copy {n}" for n in range(1, COPIES.copies + 1)), *CONDITIONS):
        chosen = range(len(rows)) if name.startswith("copy") else judged.tolist()
        features[name] = encoded(name, chosen, lambda i, name=name: conditions(name, i), given.work)
    found = list(scores(features, judged, labels, actors))
    heads = ("learnt from", "as they are", *CONDITIONS, "mean of these")
    table = f"| {' | '.join(heads)} |\n|---|{'---:|' * (len(heads) - 1)}\n" + "\n".join(found) + "\n"
    print(table)
    if given.write:
        RESULTS.write_text(
            f"# Voices on other lines and in other rooms\n\n{len(rows)} utterances of {len(set(actors))} actors (conditions: a "
            f"quarter, drawn at random), {len(set(labels))} labels, {FOLDS} folds by actor, average recall in percent. "
            f"{machine_line(given.threads)}.\n\n{table}",
            encoding="utf-8",
        )


if __name__ == "__main__":
    main()
