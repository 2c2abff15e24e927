"""Does a run know what is unlike its training: people for a run on drawn clips, drawn clips for the starter.

    emofuse demo demo                      # unless it is there already
    emofuse prepare fer2013 FER2013 -o fer/manifest.csv
    python -m benchmarks.familiarity demo --voices RAVDESS/manifest.csv --faces fer/manifest.csv \\
        --words meld/dev.csv --clips CLIP.mp4 ... --write

A run says of each modality how many times as far from its training features an input lies as 99 in 100 validation inputs do.
Familiar inputs are of the run's test part, or of people that the starter never learnt from; strange ones are of the other
world. The table says how well the number tells them apart (area under the ROC curve, with a bootstrap interval; of
several modalities their geometric mean), and how many are called strange at the run's own threshold, by one of them at
least. Nothing here is used to fit anything.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image
from sklearn.metrics import roc_auc_score

from benchmarks.machine import machine_line
from benchmarks.script import argument_parser
from emofuse import EmotionPipeline
from emofuse.data.manifest import Manifest
from emofuse.data.media import probe
from emofuse.data.modality import MODALITIES, Modality
from emofuse.data.utterance import Utterance
from emofuse.runs.run_folder import RunFolder
from starter.build import TEST_ACTORS

RESULTS = Path(__file__).parent / "results" / "familiarity.md"
MOST, PIECE = 150, 2.0
# RAVDESS actors that neither the voice expert's weights nor its thresholds have heard.
_SIDE = 320  # of the picture that a face of 48 pixels is put into, four times as large, to be found there

Found = list[dict[Modality, float]]


def row(
    name: str,
    *,
    text: str | None = None,
    video: Path | None = None,
    audio: Path | None = None,
    start: float | None = None,
    end: float | None = None,
) -> Utterance:
    """An utterance that nothing is known of."""
    return Utterance(name, name, 0, None, text, video, audio, start, end, None, None, None, None)


def some(rows: Sequence[Utterance]) -> list[Utterance]:
    """At most :data:`MOST`, evenly spread."""
    return list(rows[:: -(-len(rows) // MOST)]) if rows else []


def pieces(clips: Sequence[Path]) -> list[Utterance]:
    """Recordings in pieces of some seconds each."""
    found = []
    for clip in clips:
        length = probe(clip).duration or PIECE
        for number in range(max(1, int(length / PIECE))):
            start = PIECE * number
            found.append(row(f"{clip.stem}-{number}", video=clip, start=start, end=start + PIECE))
    return found


def voices(path: Path, actors: Sequence[str] | None = None) -> list[Utterance]:
    """Voices without the words that all say."""
    rows = Manifest.read(path).validate().rows()
    return some([row(u.id, audio=u.audio) for u in rows if actors is None or u.speaker in actors])


def faces(path: Path) -> list[Utterance]:
    """Pictures of FER2013's public test part."""
    return some(
        [row(u.id, video=u.video) for u in Manifest.read(path).validate().rows() if u.split != "train"]
    )


def framed(rows: Sequence[Utterance], folder: Path) -> list[Utterance]:
    """The same faces in larger grey pictures, where a detector of faces can find them."""
    found = []
    for number, one in enumerate(rows):
        with Image.open(str(one.video)) as picture:
            face = picture.convert("L").resize(
                (4 * picture.width, 4 * picture.height), Image.Resampling.BICUBIC
            )
        whole = Image.new("RGB", (_SIDE, _SIDE), (int(np.asarray(face).mean()),) * 3)
        whole.paste(face.convert("RGB"), ((_SIDE - face.width) // 2, (_SIDE - face.height) // 2))
        place = folder / f"{number}.png"
        whole.save(place)
        found.append(row(one.id, video=place))
    return found


def words(path: Path) -> list[Utterance]:
    """Sentences of a CSV file with a column Utterance or text."""
    table = pd.read_csv(path)
    column = "Utterance" if "Utterance" in table else "text"
    return some([row(f"words-{i}", text=text) for i, text in enumerate(table[column].dropna().astype(str))])


def novelty(pipe: EmotionPipeline, rows: Sequence[Utterance]) -> Found:
    """Of each row by modality how unlike the training data it is."""
    return [segment.novelty for segment in pipe.predict(list(rows)) if segment.novelty]


def together(found: Found, modalities: Sequence[Modality]) -> np.ndarray:
    """Of each row the geometric mean over those of the modalities that it has."""
    held = [[each[m] for m in modalities if m in each] for each in found]
    return np.array([np.exp(np.mean(np.log(values))) for values in held if values])


def area(strange: np.ndarray, familiar: np.ndarray) -> str:
    """Area under the ROC curve in percent, with a 95 % interval over inputs (1,000 draws)."""
    rng = np.random.default_rng(0)

    def of(a: np.ndarray, b: np.ndarray) -> float:
        return 100 * float(roc_auc_score(np.repeat([1, 0], [len(a), len(b)]), np.concatenate([a, b])))

    draws = [of(rng.choice(strange, len(strange)), rng.choice(familiar, len(familiar))) for _ in range(1000)]
    low, high = np.quantile(draws, [0.025, 0.975])
    return f"{of(strange, familiar):.1f} ({low:.1f} to {high:.1f})"


def lines(world: str, strange: dict[str, Found], familiar: dict[str, Found]) -> Iterator[str]:
    """Rows of the table for each pair of strange and familiar inputs: by modality, and by all that both have."""
    for what, far in strange.items():
        for known, near in familiar.items():
            both = [m for m in MODALITIES if all(any(m in each for each in found) for found in (far, near))]
            for chosen in [[m] for m in both] + [both] * (len(both) > 1):
                a, b = together(far, chosen), together(near, chosen)
                called = [
                    np.mean([any(each[m] > 1 for m in chosen if m in each) for each in found])
                    for found in (far, near)
                ]
                yield (
                    f"| {world} | {' and '.join(chosen)} | {what} ({len(a)}) | {known} ({len(b)}) | {area(a, b)} | "
                    f"{100 * called[0]:.0f} | {100 * called[1]:.0f} |"
                )


def compared(
    name: str, run: Path | str, strange: dict[str, list[Utterance]], familiar: dict[str, list[Utterance]]
) -> list[str]:
    """The lines of one run."""
    pipe = EmotionPipeline.from_pretrained(run, device="cpu")
    far, near = ({what: novelty(pipe, rows) for what, rows in each.items()} for each in (strange, familiar))
    return list(lines(name, far, near))


def main() -> None:
    """Predict, compare, print or write the table."""
    parser = argument_parser(__doc__)
    parser.add_argument("demo", type=Path, help="folder that `emofuse demo` made")
    for name in ("voices", "faces", "words"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--clips", type=Path, nargs="+", required=True)
    parser.add_argument("--run", type=Path, help="of the demo; DEMO/runs/all")
    parser.add_argument(
        "--starter", default="starter", help="its run folder, where it is not the installed one"
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    people: dict[str, list[Utterance]] = {
        "real clips": pieces(given.clips),
        "RAVDESS's voices": voices(given.voices),
        "FER2013's faces": faces(given.faces),
        "MELD's sentences": words(given.words),
    }
    run = RunFolder.open(given.run or given.demo / "runs" / "all")
    corpus = Manifest.read(given.demo / "corpus" / "manifest.csv").validate()
    drawn = {"drawn clips": some([corpus.utterance(i) for i in run.read_split().test])}
    found = compared("the demo's run", run.path, people, drawn)
    with tempfile.TemporaryDirectory() as folder:
        others = people | {
            "RAVDESS's other voices": voices(given.voices, TEST_ACTORS),
            "FER2013's test faces": framed(people["FER2013's faces"], Path(folder)),
        }
        for what in ("RAVDESS's voices", "FER2013's faces"):
            others.pop(what)
        found += compared("the starter", given.starter, drawn, others)
    head = (
        "| run | modality | strange | familiar | AUROC | strange called strange | familiar called strange |\n"
    )
    table = head + "|---|---|---|---|---|---:|---:|\n" + "\n".join(found) + "\n"
    print(table)
    if given.write:
        RESULTS.write_text(
            f"# What a run is unlike\n\n{machine_line(given.threads)}.\n\n{table}", encoding="utf-8"
        )


if __name__ == "__main__":
    main()
