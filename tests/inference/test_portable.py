import json
import platform
import re
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import pandas as pd
import pytest
import yaml
from huggingface_hub.errors import LocalEntryNotFoundError, RepositoryNotFoundError
from typer.testing import CliRunner

from emofuse import EmofuseError, EmotionPipeline
from emofuse.cli.main import app
from emofuse.errors import EmofuseWarning
from emofuse.evaluation.protocols.audit import LeakReport
from emofuse.inference.label_sets import LabelSets
from emofuse.inference.portable import save_run
from emofuse.inference.reporting.model_card import model_card
from emofuse.runs.corpus_identity import CorpusChange
from emofuse.runs.hub import ALLOWED, is_hub_name
from emofuse.runs.run_folder import RunFolder
from tests.small_runs import text_corpus, text_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    corpus = text_corpus(tmp_path_factory.mktemp("a secret place"))
    return text_run(corpus, tmp_path_factory.mktemp("runs") / "run", data__protocol="random-kfold")


def test_what_is_saved_predicts_the_same_and_names_no_place_and_no_utterance(
    run: RunFolder, tmp_path: Path
) -> None:
    pipe = EmotionPipeline.from_pretrained(run.path, device="cpu")
    folder = pipe.save_pretrained(tmp_path / "out" / "copy")
    copy = EmotionPipeline.from_pretrained(folder, device="cpu")
    for words in ("how dare you", "what a wonderful day"):
        assert copy(text=words, coverage=0.9) == pipe(text=words, coverage=0.9)
    written = sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())
    assert set(written) <= {name for name in ALLOWED if "*" not in name}
    assert "model.safetensors" in written
    for file in folder.iterdir():
        assert str(run.path.parents[1]).encode() not in file.read_bytes()
        assert not re.search(rb"d\d+t\d", file.read_bytes())
    assert RunFolder(folder).read_record().platform == platform.machine()
    with pytest.raises(EmofuseError, match="holds something already"):
        pipe.save_pretrained(folder)


def test_a_copy_makes_the_sets_of_labels_that_the_run_makes(
    run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emofuse.inference.label_sets._ENOUGH", 2)
    source = RunFolder(Path(shutil.copytree(run.path, tmp_path / "run")))
    table = pd.read_parquet(source.predictions_file)
    table.assign(has_text=table.index % 2 == 0).to_parquet(source.predictions_file)
    copy = RunFolder(save_run(source, tmp_path / "copy"))
    made, own = (LabelSets.of_run(folder, 0.9) for folder in (copy, source))
    assert set(own.thresholds) == {frozenset(), frozenset({"text"})}
    assert (made.thresholds, made.threshold) == (own.thresholds, own.threshold)


def test_an_exported_run_is_refused_before_anything_is_written_or_asked(
    run: RunFolder, tmp_path: Path
) -> None:
    export = Path(shutil.copytree(run.path, tmp_path / "export"))
    (export / "model.safetensors").unlink()
    (export / "export.json").write_text("{}", encoding="utf-8")
    pipe, fake = EmotionPipeline.from_pretrained(run.path, device="cpu"), _Hub()
    pipe.folder = RunFolder(export)  # as one that was loaded from there
    for call in (
        lambda: pipe.save_pretrained(tmp_path / "copy"),
        lambda: pipe.push_to_hub("me/run", api=fake),
    ):
        with pytest.raises(
            EmofuseError, match=r"export: is an exported run.* load the run that it was made of"
        ):
            call()
    assert not (tmp_path / "copy").exists()
    assert fake.asked == []


def test_ids_that_an_audit_and_a_changed_corpus_name_stay_at_home(run: RunFolder, tmp_path: Path) -> None:
    source = RunFolder(Path(shutil.copytree(run.path, tmp_path / "run")))
    leaks = LeakReport({"train": 9, "test": 3}, (), ("dia (3), utt2",), ("dia4_utt2", "dia4_utt3"))
    change = CorpusChange(["dia5, 1"], [], ["dia6", "dia7"], ["dia8)"], moved=True)
    metrics = json.loads((source.path / "metrics.json").read_text("utf-8"))
    metrics["audit"] = leaks.to_dict() | {"flags": ["train/test share 2 texts (3 utterances)", *leaks.flags]}
    (source.path / "metrics.json").write_text(json.dumps(metrics | {"corpus_change": str(change)}), "utf-8")
    copy = save_run(source, tmp_path / "copy")
    again = save_run(RunFolder(copy), tmp_path / "again")
    for folder in (copy, again):
        assert not [file.name for file in folder.iterdir() if re.search(rb"dia ?\(?\d", file.read_bytes())]
        told = json.loads((folder / "metrics.json").read_text("utf-8"))
        assert told["audit"]["flags"] == [
            "train/test share 2 texts (3 utterances)",
            "ids that stand more than once in one part: 1",
            "ids of the split that are not in the manifest: 2",
        ]
        counts = "1 row added, 2 rows changed, 1 row with media of another size, the rows in another order"
        assert told["corpus_change"] == counts
        card = (folder / "README.md").read_text("utf-8")
        assert f"The corpus has changed since the training: {counts}." in card
        assert "ids that stand more than once in one part: 1." in card
    assert not re.search(r"dia ?\(?\d", model_card(source))


def _refusal(kind: type[Exception], code: int) -> Exception:
    answer = SimpleNamespace(status_code=code, headers={}, request=None)
    return kind("401 Client Error\n\nRepository Not Found", response=answer)  # type: ignore[call-arg]


class _Hub:
    """What HfApi would be asked to do."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.files: set[str] = set()
        self.failure = failure

    def create_repo(self, name: str, **options: Any) -> None:
        self.asked.append((name, options))

    def upload_folder(self, *, folder_path: str, **options: Any) -> SimpleNamespace:
        if self.failure is not None:
            raise self.failure
        self.files = {file.name for file in Path(folder_path).iterdir()}
        self.asked.append((options["repo_id"], options))
        return SimpleNamespace(commit_url="https://huggingface.co/me/run/commit/1")


def test_a_run_is_pushed_whole_and_private_unless_told(run: RunFolder) -> None:
    pipe = EmotionPipeline.from_pretrained(run.path, device="cpu")
    fake = _Hub()
    assert (
        pipe.push_to_hub("me/run", api=fake, licence="cc-by-4.0") == "https://huggingface.co/me/run/commit/1"
    )
    assert fake.asked[0] == ("me/run", {"private": True, "exist_ok": True, "repo_type": "model"})
    assert {"README.md", "run.json", "model.safetensors", "config.yaml"} <= fake.files
    with pytest.raises(EmofuseError, match="is named org/name"):
        pipe.push_to_hub("../run", api=fake)
    with pytest.raises(EmofuseError, match=r"me/run: the hub refuses it; log in") as told:
        pipe.push_to_hub("me/run", api=_Hub(_refusal(RepositoryNotFoundError, 401)))
    assert "\n" not in str(told.value)


def test_a_name_of_the_hub_fetches_what_is_allowed_and_a_folder_wins(
    run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {}

    def download(name: str, **options: Any) -> str:
        asked.update(options, name=name)
        return str(run.path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    monkeypatch.chdir(tmp_path)
    with pytest.warns(EmofuseWarning, match="looked for on the Hugging Face hub"):
        pipe = EmotionPipeline.from_pretrained("me/run", device="cpu", revision="v1", token="t")
    assert pipe(text="how dare you")[0].used == ("text",)
    assert (asked["name"], asked["revision"], asked["token"]) == ("me/run", "v1", "t")
    assert not [p for p in asked["allow_patterns"] if p.endswith((".py", ".bin", ".pkl", ".pt", "*"))]
    asked.clear()
    shutil.copytree(run.path, tmp_path / "me" / "run")
    EmotionPipeline.from_pretrained("me/run", device="cpu")
    assert not asked
    with pytest.raises(EmofuseError, match="no such run folder"):  # a misspelt folder is no name on the hub
        EmotionPipeline.from_pretrained("me/rum")
    assert not asked


@pytest.mark.parametrize(
    ("failure", "line"),
    [
        (LocalEntryNotFoundError("a\nb"), "the hub cannot be reached"),
        (_refusal(RepositoryNotFoundError, 404), "neither a folder here nor a run"),
        (ConnectionError("no route\nto host"), r"the Hugging Face hub did not do it \(no route\)"),
    ],
)
def test_a_failure_of_the_hub_is_one_line(
    failure: Exception, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def download(name: str, **options: Any) -> str:
        raise failure

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    monkeypatch.chdir(tmp_path)
    with pytest.warns(EmofuseWarning), pytest.raises(EmofuseError, match=line) as told:
        EmotionPipeline.from_pretrained("me/run")
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("name", ["run", "a/b/c", "../b", "/a/b", "a/..", "a/b c", "a\\b/c", ""])
def test_what_is_no_name_of_the_hub(name: str) -> None:
    assert not is_hub_name(name)


def test_a_card_says_what_is_known_with_flags_and_escapes_the_rest(run: RunFolder, tmp_path: Path) -> None:
    copy = RunFolder(Path(shutil.copytree(run.path, tmp_path / "copy")))
    record = copy.read_record()
    evil = "joy|<script>\n# Title\n---\nlicense: mit"
    metrics = json.loads((copy.path / "metrics.json").read_text(encoding="utf-8"))
    metrics["audit"]["flags"] = [evil]
    (copy.path / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")
    card = model_card(copy)
    _, head, body = card.split("---\n", 2)
    told = yaml.safe_load(head)
    assert (told["license"], told["license_name"]) == ("other", "not-stated")
    [result] = told["model-index"][0]["results"]
    scores = {score["name"]: score["value"] for score in result["metrics"]}
    assert scores["Weighted F1 (optimistic)"] == pytest.approx(metrics["test"]["weighted_f1"], abs=1e-4)
    assert "**These figures are optimistic.**" in body
    assert f"{100 * metrics['test']['weighted_f1']:.1f}" in body
    assert "What it must not be used for" in body
    assert record.data_fingerprint[:16] in body
    assert "<script>" not in card
    assert "joy\\|&lt;script&gt; \\# Title --- license: mit" in body
    assert yaml.safe_load(model_card(copy, licence="cc-by-4.0").split("---\n")[1])["license"] == "cc-by-4.0"
    with pytest.raises(EmofuseError, match="an identifier such as"):
        model_card(copy, licence="mit\nx: y")


def test_the_command_writes_a_card(run: RunFolder, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["card", str(run.path), "-o", str(tmp_path / "README.md")])
    assert result.exit_code == 0, result.output
    assert (tmp_path / "README.md").read_text(encoding="utf-8") == CliRunner().invoke(
        app, ["card", str(run.path)]
    ).stdout
