"""All that the commands of the pages take as given, in small: corpora in their publishers' layouts, and feature files."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from tests.corpora.layouts import put
from tests.features.importers.files import dump, iemocap, mmsa_part

EMOTIONS = ("neutral", "joy", "sadness", "anger", "fear", "surprise", "disgust")
SENTIMENT = {"neutral": "neutral", "joy": "positive", "surprise": "positive"}
CUES = {"neutral": "the table", "joy": "what a day", "sadness": "I miss her", "anger": "get out of here"}
CLIPS = {"train": "train_splits", "dev": "dev_splits_complete", "test": "output_repeated_splits_test"}


def make_world(root: Path) -> Path:
    """Fill an empty folder."""
    _meld(root / "meld")
    shutil.copytree(root / "meld", root / "MELD.Raw")
    for part in ("train", "dev"):
        shutil.copy(root / "meld" / f"{part}_sent_emo.csv", root)
    for name in ("mosi_trainvalid.pkl", "mosi.pkl", "MOSI.pkl", "unaligned_50.pkl", "features.pkl"):
        dump(root / name, _mosi())
    dump(root / "IEMOCAP_features.pkl", iemocap())
    _raw_mosi(root / "MOSI")
    shutil.copytree(root / "MOSI", root / "MOSEI")
    _iemocap(root / "iemocap")
    shutil.copytree(root / "iemocap", root / "IEMOCAP_full_release")
    for actor in range(1, 11):
        for emotion in range(1, 9):
            put(root, f"ravdess/Actor_{actor:02}/03-01-0{emotion}-01-01-01-{actor:02}.wav")
    for speaker in ("03", "08", "09", "10", "16"):
        for letter in "WLEAFTN":
            put(root, f"emodb/wav/{speaker}a01{letter}a.wav")
    _faces(root / "path/to")
    _clips(root / "corpus")
    for copy in ("demo/corpus", "demo/small", "demo-corpus"):
        shutil.copytree(root / "corpus", root / copy)
    for name in ("go", "a", "b"):
        _texts(root / name)
    (root / "goemotions").mkdir()
    for part in ("train", "dev"):
        comments = pd.read_csv(root / "go/manifest.csv").drop(columns="split")
        comments["id"] = [f"{part}{id}" for id in comments["id"]]
        comments.to_csv(root / f"goemotions/{part}.csv", index=False)
    shutil.copytree(root / "path/to/FER2013", root / "fer2013")
    _split_files(root)
    return root


def _said(number: int) -> str:
    emotion = EMOTIONS[number % 7]
    return f"{CUES.get(emotion, emotion)}, number {number}"


def _meld(root: Path) -> None:
    """Three turns in each of 12, 5 and 5 dialogues; of the first dialogue of each there are clips."""
    header = "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,StartTime,EndTime\n"
    for shift, (part, dialogues) in enumerate({"train": 12, "dev": 5, "test": 5}.items()):
        lines = []
        for number in range(3 * dialogues):
            dialogue, turn = divmod(number, 3)
            emotion = EMOTIONS[number % 7]
            sentiment, who = SENTIMENT.get(emotion, "negative"), f"Friend{number % 11}"
            lines.append(
                f'{number},"{_said(100 * shift + number)}",{who},{emotion},{sentiment},{dialogue},{turn},1,2,'
                '"00:16:16,000","00:16:16,400"\n'
            )
            if dialogue < 1:
                put(root, f"{CLIPS[part]}/dia{dialogue}_utt{turn}.mp4")
        put(root, f"{part}_sent_emo.csv", header + "".join(lines))


def _mosi() -> dict[str, dict[str, object]]:
    rng = np.random.default_rng(0)

    def part(films: list[str]) -> dict[str, object]:
        ids = [f"{film}$_${turn}" for film in films for turn in range(5)]
        scores = rng.choice([-2.0, -0.8, 0.0, 1.2, 2.4], len(ids))
        sizes = {"text": 6, "audio": 5, "vision": 4}
        features = {
            name: (rng.normal(size=(len(ids), 1, size)) + scores[:, None, None]).astype(np.float32)
            for name, size in sizes.items()
        }
        return mmsa_part(ids, list(scores), **features)

    return {
        "train": part([f"film{n}" for n in range(10)]),
        "valid": part(["f20", "f21", "f22"]),
        "test": part(["f30", "f31"]),
    }


def _raw_mosi(root: Path) -> None:
    lines = ["video_id,clip_id,text,label,label_T,label_A,label_V,annotation,mode"]
    for number in range(60):
        film, turn = divmod(number, 4)
        mode = "train" if film < 9 else "valid" if film < 12 else "test"
        value, name = ((-1.4, "Negative"), (0.0, "Neutral"), (2.2, "Positive"))[number % 3]
        lines.append(f'film{film},{turn},"{_said(number)}",{value},,,,{name},{mode}')
        put(root, f"Raw/film{film}/{turn}.mp4")
    put(root, "label.csv", "\n".join(lines) + "\n")


def _iemocap(root: Path) -> None:
    emotions = ("neu", "hap", "exc", "sad", "ang", "fru")
    for session in range(1, 6):
        for number in range(3):
            dialogue = f"Ses0{session}F_impro0{number}"
            labels, words = "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n", ""
            for turn, emotion in enumerate(emotions):
                id = f"{dialogue}_{'FM'[turn % 2]}00{turn}"
                labels += (
                    f"[{0.05 * turn:.4f} - {0.05 * turn + 0.05:.4f}]\t{id}\t{emotion}\t[2.5, 2.5, 2.5]\n\n"
                )
                words += f"{id} [{0.05 * turn:08.4f}-{0.05 * turn + 0.05:08.4f}]: {_said(turn)}.\n"
            dialog = root / f"Session{session}/dialog"
            put(dialog, f"EmoEvaluation/{dialogue}.txt", labels)
            put(dialog, f"transcriptions/{dialogue}.txt", words)
            put(dialog, f"avi/DivX/{dialogue}.avi")


def _faces(root: Path) -> None:
    rng = np.random.default_rng(0)
    for part, count in (("train", 42), ("validation", 14)):
        rows = []
        for number in range(count):
            file = root / "face.jpg"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 256, (48, 48), dtype=np.uint8)).save(file)
            rows.append((f"{part}_{number}", EMOTIONS[number % 7], file.read_bytes()))
        (root / "FER2013").mkdir(exist_ok=True)
        pd.DataFrame(rows, columns=["id", "label", "jpeg"]).to_parquet(root / f"FER2013/{part}.parquet")
    for name in ("happy/S010_004_17.jpg", "anger/S011_004_17.jpg"):
        put(root / "CK+48", name, (root / "face.jpg").read_bytes())


def _clips(root: Path) -> None:
    """Two speakers in each of twelve dialogues, like the demo corpus."""
    rows = []
    for number in range(72):
        dialogue, turn = divmod(number, 6)
        put(root, f"clips/{number}.mp4")
        rows.append(
            {
                "id": f"u{number}",
                "dialogue": f"d{dialogue}",
                "turn": turn,
                "speaker": f"S{2 * dialogue + turn % 2}",
                "text": _said(number),
                "video": f"clips/{number}.mp4",
                "label": EMOTIONS[number % 6],
                "valence": (-1.5, 0.0, 2.0)[number % 3],
                "split": "train" if dialogue < 8 else "val" if dialogue < 10 else "test",
            }
        )
    pd.DataFrame(rows).to_csv(root / "manifest.csv", index=False)


def _texts(root: Path) -> None:
    rows = [(f"t{n}", _said(n), ("happy", "other", "anger")[n % 3], "train") for n in range(30)]
    root.mkdir()
    pd.DataFrame(rows, columns=["id", "text", "label", "split"]).to_csv(root / "manifest.csv", index=False)


def _split_files(root: Path) -> None:
    parts = {"train": range(8), "dev": range(8, 10), "test": range(10, 12)}
    for part, dialogues in parts.items():
        (root / f"{part}.txt").write_text("".join(f"d{number}\n" for number in dialogues))
    ids = {"val" if p == "dev" else p: [f'"d{n}"' for n in numbers] for p, numbers in parts.items()}
    content = ", ".join(f'"{part}": [{", ".join(names)}]' for part, names in ids.items())
    (root / "published.json").write_text("{" + content + "}")
