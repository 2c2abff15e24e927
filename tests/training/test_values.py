"""Learning a value from a feature file, and being judged on another."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from emofuse.data.manifest import Manifest
from emofuse.errors import EmofuseError
from emofuse.evaluation import sentiment_report
from emofuse.pipeline import EmotionPipeline
from tests.feature_file import emofuse, import_file, told, write_feature_file


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("values")
    return import_file(write_feature_file(folder / "file.npz", dialogues=4), folder / "corpus", "tokens")


@pytest.fixture(scope="module")
def run(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "values"
    emofuse(
        *(
            "train",
            corpus,
            "--out",
            out,
            "--model",
            "cm-msf",
            "--task",
            "regression",
            "--protocol",
            "official",
        ),
        *("--epochs", 12, "--lr", 0.01, "--batch-size", 8, "--device", "cpu", "--quiet"),
        *("--set", "optimiser.patience=12", "--set", "optimiser.schedule=plateau"),
        *("--set", "model.options.dropout=0.0", "--preset", "tiny"),
    )
    return out


def test_the_metrics_are_those_of_the_predictions_and_say_how_they_are_computed(run: Path) -> None:
    metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    table = pd.read_parquet(run / "predictions.parquet")
    test = table[table["part"] == "test"]
    expected = sentiment_report(test["valence"].to_numpy(), test["predicted_valence"].to_numpy())
    assert metrics["task"] == "regression"
    assert metrics["test"]["mae"] == pytest.approx(expected.mae)
    assert metrics["test"]["acc7"] == pytest.approx(expected.acc7)
    assert metrics["test"]["mae"] < 0.6, "the answer can be read off every modality"
    assert metrics["test"]["corr"] > 0.9
    assert "Acc-7" in (run / "report.md").read_text(encoding="utf-8")
    assert "rounded" in metrics["how"]["acc7"]
    assert "rounded" in (run / "report.html").read_text(encoding="utf-8")
    signs = np.sign(test["predicted_valence"])
    assert test["predicted"].map({"negative": -1, "neutral": 0, "positive": 1}).tolist() == signs.tolist()


def test_the_epoch_of_the_smallest_validation_error_is_kept(run: Path) -> None:
    history = pd.read_csv(run / "history.csv")
    record = json.loads((run / "run.json").read_text(encoding="utf-8"))
    assert record["best_epoch"] == int(history["val_mae"].idxmin())
    metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["val"]["mae"] == pytest.approx(history["val_mae"].min(), abs=1e-5)


def test_another_feature_file_is_scored_in_one_line(run: Path, tmp_path: Path) -> None:
    other = write_feature_file(tmp_path / "other.npz", seed=7)
    found = told("evaluate", run, "--data", other)
    assert found["part"] == "test"
    assert found["test"]["n"] == 15
    assert found["test"]["corr"] > 0.9
    assert found["warnings"] == []
    everything = told("evaluate", run, "--data", other, "--split", "all")
    assert everything["test"]["n"] == 45
    lines = emofuse("evaluate", run, "--data", other, "--quiet")
    assert "15 labelled utterances of the test part\n" in lines
    assert "MAE" in lines


def test_a_feature_file_says_which_part_is_scored(run: Path, tmp_path: Path) -> None:
    def first_line(parts: tuple[str, ...], *options: str) -> str:
        other = write_feature_file(tmp_path / f"{'-'.join(parts)}.npz", parts=parts, seed=8)
        return emofuse("evaluate", run, "--data", other, "--quiet", *options).splitlines()[0]

    assert first_line(("test",)).endswith("15 labelled utterances of the test part")
    assert first_line(("val",)).endswith("15 labelled utterances of the val part (there is no test part)")
    assert first_line(("train", "val")).endswith(
        "30 labelled utterances (train 15, val 15; there is no test part)"
    )
    assert first_line(("train", "val"), "--split", "val").endswith("15 labelled utterances of the val part")
    assert first_line(("val", "test"), "--split", "all").endswith("30 labelled utterances (val 15, test 15)")


def test_a_feature_file_of_another_size_is_refused(run: Path, tmp_path: Path) -> None:
    arrays = dict(np.load(write_feature_file(tmp_path / "file.npz", seed=9)))
    arrays["text"] = arrays["text"][:, :, :5]
    np.savez_compressed(tmp_path / "narrow.npz", **arrays)
    with pytest.raises(EmofuseError, match=r"no imported text features like those .* 6 numbers"):
        emofuse("evaluate", run, "--data", tmp_path / "narrow.npz", "--quiet")


def test_values_are_predicted_with_the_class_that_their_sign_makes(run: Path, corpus: Path) -> None:
    manifest = Manifest.read(corpus / "manifest.csv")
    pipe = EmotionPipeline.from_pretrained(run, device="cpu")
    for segment in pipe.predict_manifest(manifest.select(manifest.ids[:6])):
        assert segment.value is not None
        assert segment.label == ("positive" if segment.value > 0 else "negative")
        assert segment.probabilities == {}
    table = emofuse("predict", run, corpus / "manifest.csv", "--csv", "--quiet").splitlines()
    assert table[0] == "id,start,end,speaker,value,label,used,missing,unfamiliar,text,recording"
    assert "regression: negative, neutral, positive" in emofuse("info", run)
    assert "MAE" in emofuse("info", run)


def test_a_picture_over_time_is_of_emotions(run: Path, corpus: Path, tmp_path: Path) -> None:
    rows = Manifest.read(corpus / "manifest.csv")
    Manifest.from_frame(rows.frame.assign(end=1.0), corpus).write(corpus / "timed.csv")
    with pytest.raises(EmofuseError, match="this run predicts values"):
        emofuse("predict", run, corpus / "timed.csv", "--figure", tmp_path / "timeline.png", "--quiet")


def test_a_raw_clip_cannot_become_imported_features(run: Path) -> None:
    with pytest.raises(EmofuseError, match="trained on imported features"):
        emofuse("predict", run, "--text", "I love it", "--quiet")


def test_features_of_another_kind_are_refused(run: Path, tmp_path: Path) -> None:
    folder = import_file(write_feature_file(tmp_path / "file.npz", seed=3), tmp_path / "vectors", "mean")
    with pytest.raises(EmofuseError, match="like those that the run was trained on"):
        emofuse("evaluate", run, "--data", folder, "--quiet")


def test_vectors_are_wanted_where_there_are_only_sequences(corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(EmofuseError, match="import` the file again with --pooling mean"):
        emofuse(
            "train",
            corpus,
            "--out",
            tmp_path / "run",
            "--model",
            "mfcre",
            "--protocol",
            "official",
            "--quiet",
        )


def test_two_files_for_the_same_utterances_are_a_choice(tmp_path: Path) -> None:
    first = write_feature_file(tmp_path / "first.npz")
    folder = import_file(first, tmp_path / "corpus")
    arrays = dict(np.load(first))
    arrays["text"] = arrays["text"] * 2
    np.savez_compressed(tmp_path / "second.npz", **arrays)
    import_file(tmp_path / "second.npz", folder)
    line = (
        "train",
        folder,
        "--out",
        tmp_path / "run",
        "--model",
        "mfcre",
        "--protocol",
        "official",
        "--quiet",
    )
    with pytest.raises(EmofuseError, match="2 imported files have text features") as caught:
        emofuse(*line)
    revision = str(caught.value).split()[-1]
    chosen = []
    for modality in ("text", "audio", "video"):
        chosen += [f"--{modality}-encoder", "imported", "--set", f"encoders.{modality}.revision={revision}"]
    emofuse(*line, *chosen, "--epochs", 1)
    record = json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))
    assert record["encoders"]["text"]["identity"]["revision"].startswith(revision)


def test_a_corpus_without_values_is_named(tmp_path: Path) -> None:
    file = write_feature_file(tmp_path / "file.npz")
    arrays = {name: array for name, array in np.load(file).items() if name != "valence"}
    np.savez_compressed(file, **arrays)
    folder = import_file(file, tmp_path / "corpus")
    line = (
        "train",
        folder,
        "--out",
        tmp_path / "run",
        "--model",
        "cm-msf",
        "--task",
        "regression",
        "--quiet",
    )
    with pytest.raises(EmofuseError, match="column valence is empty"):
        emofuse(*line)
