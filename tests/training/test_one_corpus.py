"""A run belongs to one corpus and one split, from its first epoch on."""

import json
import shutil
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Literal

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from emofuse.cli.main import app
from emofuse.data.manifest import Manifest
from emofuse.errors import EmofuseError
from emofuse.experiments.ablation import ablate_deepmsi_mer
from emofuse.experiments.cross_validation.run import cross_validate
from emofuse.experiments.reproduction.deepmsi_mer import reproduce_deepmsi_mer
from emofuse.experiments.reproduction.paper_runs import reproduce_paper
from emofuse.experiments.reproduction.papers import PLANS
from emofuse.experiments.sweep import Axis, sweep
from emofuse.inference.evaluate import evaluate_fit
from emofuse.runs.corpus import Progress
from emofuse.runs.corpus_identity import CORPUS_FILE
from emofuse.runs.features import readers_of
from emofuse.runs.run_folder import RunFolder
from emofuse.training.fit import fit_run
from emofuse.training.loop import TrainingLoop
from tests.small_corpus import make_corpus, small_settings
from tests.small_runs import text_corpus, text_settings

Frame = pd.DataFrame
ONE_EPOCH = {"optimiser__epochs": 1}


def silent() -> nullcontext[Progress]:
    return nullcontext(lambda done, total, what: None)


def changed(manifest: Manifest, change: Callable[[Frame], Frame]) -> Manifest:
    """The same manifest file with its rows changed."""
    path = manifest.root / "manifest.csv"
    Manifest.from_frame(change(manifest.frame.copy()), manifest.root).write(path)
    return Manifest.read(path).validate()


def one_dialogue_on_top(frame: Frame) -> Frame:
    added = frame[frame["dialogue"] == "d0"].copy()
    for column in ("id", "dialogue", "speaker"):
        added[column] = "new-" + added[column]
    return pd.concat([added, frame], ignore_index=True)


def first_label_changed(frame: Frame) -> Frame:
    frame.loc[0, "label"] = "joy" if frame.loc[0, "label"] != "joy" else "anger"
    return frame


CHANGES: dict[str, tuple[Callable[[Frame], Frame], str]] = {
    "a dialogue on top": (one_dialogue_on_top, r"6 rows added \(new-d0t0, …\)"),
    "a row gone": (lambda f: f.drop(index=3).reset_index(drop=True), r"1 row gone \(d0t3\)"),
    "a label": (first_label_changed, r"1 row changed \(d0t0\)"),
    "a text": (lambda f: f.assign(text=["other", *f["text"][1:]]), r"1 row changed \(d0t0\)"),
    "a speaker": (lambda f: f.assign(speaker=["other", *f["speaker"][1:]]), r"1 row changed"),
    "another order": (lambda f: f.iloc[::-1].reset_index(drop=True), "the rows in another order"),
}


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Manifest]:
    """A folder with a corpus and a run that was stopped after an epoch."""
    home = tmp_path_factory.mktemp("interrupted")
    corpus = text_corpus(home / "corpus", dialogues=9)
    settings = text_settings(corpus, optimiser__epochs=3)

    def stop_after_one(loop: TrainingLoop) -> int:
        loop.settings = loop.settings.with_changes({"optimiser.epochs": 1})
        whole(loop)
        raise KeyboardInterrupt

    whole = TrainingLoop.run
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrainingLoop, "run", stop_after_one)
        with pytest.raises(KeyboardInterrupt):
            fit_run(settings, corpus, home / "run")
    return home, corpus


@pytest.fixture
def copy(interrupted: tuple[Path, Manifest], tmp_path: Path) -> tuple[Path, Manifest]:
    """One of them that a test may change; the settings keep naming the first."""
    shutil.copytree(interrupted[0], tmp_path / "copy")
    return tmp_path / "copy" / "run", Manifest.read(tmp_path / "copy" / "corpus" / "manifest.csv").validate()


@pytest.mark.parametrize(("change", "line"), CHANGES.values(), ids=CHANGES)
def test_a_run_is_not_resumed_on_another_state_of_its_corpus(
    copy: tuple[Path, Manifest], change: Callable[[Frame], Frame], line: str
) -> None:
    run, corpus = copy
    before = (run / "split.json").read_bytes()
    other = changed(corpus, change)
    with pytest.raises(EmofuseError, match=f"belongs to another state of this corpus: .*{line}"):
        fit_run(RunFolder(run).read_settings(), other, run, resume=True)
    assert (run / "split.json").read_bytes() == before
    assert not RunFolder(run).weights_file.exists()


def test_the_same_corpus_in_another_format_and_with_further_columns_is_the_same(
    copy: tuple[Path, Manifest],
) -> None:
    run, corpus = copy
    path = corpus.root / "manifest.parquet"
    Manifest.from_frame(corpus.frame.assign(note="looked at"), corpus.root).write(path)
    resumed = fit_run(RunFolder(run).read_settings(), Manifest.read(path), run, resume=True)
    assert resumed.read_record().status == "fitted"


def test_a_media_file_that_was_mended_is_read_again_and_evaluation_says_so(tmp_path: Path) -> None:
    corpus = make_corpus(tmp_path / "corpus")
    settings = small_settings(corpus, **{"model.modalities": ["audio"], "optimiser.epochs": 1})
    run = fit_run(settings, corpus, tmp_path / "run")
    clip = corpus.utterance("d0t0").video
    assert clip is not None
    (reader,) = readers_of(run, run.read_record(), corpus).values()
    before = reader["d0t0"].copy()
    shutil.copy(corpus.root / "clips/d1_t1.mp4", clip)
    assert fit_run(settings, corpus, run.path, resume=True).weights_file.exists()
    outcome = evaluate_fit(run, corpus)
    assert outcome.corpus_change == "1 row with media of another size (d0t0)"
    (reader,) = readers_of(run, run.read_record(), corpus).values()
    assert (reader["d0t0"] != before).any()


def test_a_run_of_an_earlier_version_is_known_by_its_fingerprint(copy: tuple[Path, Manifest]) -> None:
    run, corpus = copy
    (run / CORPUS_FILE).unlink()
    with pytest.raises(EmofuseError, match="another state of this corpus: it differs"):
        fit_run(RunFolder(run).read_settings(), changed(corpus, first_label_changed), run, resume=True)
    assert fit_run(RunFolder(run).read_settings(), corpus, run, resume=True).weights_file.exists()


def test_a_split_that_is_asked_for_must_be_the_one_that_was_begun(copy: tuple[Path, Manifest]) -> None:
    run, corpus = copy
    split = RunFolder(run).read_split()
    with pytest.raises(EmofuseError, match="another split"):
        fit_run(
            RunFolder(run).read_settings(),
            corpus,
            run,
            split=split._replace(train=split.train[1:]),
            resume=True,
        )


@st.composite
def edits(draw: st.DrawFn) -> Callable[[Frame], Frame]:
    """Any change of a manifest: rows added, dropped, moved, renamed, and cells changed."""
    kind = draw(st.sampled_from(["add", "drop", "cell", "shuffle", "renumber", "none"]))
    row = draw(st.integers(0, 53))
    column = draw(st.sampled_from(["text", "label", "speaker", "dialogue", "turn"]))

    def edit(frame: Frame) -> Frame:
        if kind == "add":
            new = frame.iloc[[row]].assign(id="new", dialogue=draw(st.sampled_from(["d1", "new"])))
            return pd.concat([frame.iloc[:row], new, frame.iloc[row:]], ignore_index=True)
        if kind == "drop":
            return frame.drop(index=frame.index[row : row + draw(st.integers(1, 9))]).reset_index(drop=True)
        if kind == "cell":
            frame.loc[row, column] = frame.loc[(row + 7) % 54, column]
        if kind == "shuffle":
            return frame.sample(frac=1, random_state=row).reset_index(drop=True)
        if kind == "renumber":  # a dialogue on top, in a corpus whose ids are places
            frame[["text", "label"]] = frame[["text", "label"]].shift(row % 6 + 1, fill_value="joy")
        return frame

    return edit


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(change=edits())
def test_nothing_of_the_test_part_was_ever_fitted_to(
    interrupted: tuple[Path, Manifest], tmp_path: Path, change: Callable[[Frame], Frame]
) -> None:
    home, corpus = interrupted
    run = tmp_path / "run"
    shutil.rmtree(run, ignore_errors=True)
    shutil.copytree(home / "run", run)
    fitted = {corpus.utterance(i).text for i in RunFolder(run).read_split().train}
    judged: set[str | None] = set()

    def look(loop: TrainingLoop) -> int:
        fitted.update(loop.manifest.utterance(i).text for i in loop.split.train)
        judged.update(loop.manifest.utterance(i).text for i in loop.split.test)
        raise KeyboardInterrupt

    other = Manifest.from_frame(change(corpus.frame.copy()), corpus.root)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrainingLoop, "run", look)
        with pytest.raises((EmofuseError, KeyboardInterrupt)) as ended:
            fit_run(RunFolder(run).read_settings(), other, run, resume=True)
    repeated = corpus.frame["text"][corpus.frame["text"].duplicated(keep=False)]
    assert not (fitted & judged) - set(repeated)
    assert (ended.type is KeyboardInterrupt) == (other.fingerprint() == corpus.fingerprint())


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunFolder, Manifest]:
    corpus = text_corpus(tmp_path_factory.mktemp("finished"), dialogues=9)
    return fit_run(text_settings(corpus, **ONE_EPOCH), corpus, corpus.root / "run"), corpus


def test_evaluation_says_what_has_changed_in_the_corpus(
    finished: tuple[RunFolder, Manifest], tmp_path: Path
) -> None:
    folder, corpus = finished
    assert evaluate_fit(folder, corpus).corpus_change == ""
    test = folder.read_split().test
    relabelled = corpus.frame.assign(
        label=[
            "joy" if i == test[0] else label
            for i, label in zip(corpus.ids, corpus.frame["label"], strict=True)
        ]
    )
    outcome = evaluate_fit(folder, Manifest.from_frame(one_dialogue_on_top(relabelled), corpus.root))
    assert "6 rows added" in outcome.corpus_change
    assert any("the corpus has changed since the training: 6 rows added" in line for line in outcome.lines())
    assert json.loads((folder.path / "metrics.json").read_text())["corpus_change"] == outcome.corpus_change


@pytest.mark.parametrize(("part", "calibration"), [("test", "stored"), ("val", "fit")])
def test_rows_that_the_run_has_learnt_from_are_never_judged_under_other_ids(
    finished: tuple[RunFolder, Manifest], part: str, calibration: Literal["stored", "fit"]
) -> None:
    folder, corpus = finished
    split = folder.read_split()
    other = corpus.frame.set_index("id")
    judged = getattr(split, part)[0]
    other.loc[judged, "text"] = other.loc[split.train[0], "text"]
    with pytest.raises(
        EmofuseError, match=r"leak: 1 of the \d+ judged utterances now hold what the run has learnt"
    ):
        evaluate_fit(folder, Manifest.from_frame(other.reset_index(), corpus.root), calibration=calibration)
    gone = corpus.select(i for i in corpus.ids if i != judged)
    with pytest.raises(EmofuseError, match=f"gone from its corpus .{judged} among them"):
        evaluate_fit(folder, gone, calibration=calibration)


def test_all_folds_of_a_cross_validation_have_one_corpus(tmp_path: Path) -> None:
    corpus = text_corpus(tmp_path / "corpus", dialogues=6)
    wanted = text_settings(corpus, **ONE_EPOCH)
    cross_validate(wanted, corpus, tmp_path / "cv")
    shutil.rmtree(tmp_path / "cv" / "fold-02")
    other = changed(corpus, one_dialogue_on_top)
    with pytest.raises(EmofuseError, match="cv: belongs to another state of this corpus: 6 rows added"):
        cross_validate(wanted, other, tmp_path / "cv", resume=True)
    (tmp_path / "cv" / CORPUS_FILE).unlink()
    with pytest.raises(EmofuseError, match="another state of this corpus: it differs"):
        cross_validate(wanted, other, tmp_path / "cv", resume=True)
    assert not (tmp_path / "cv" / "fold-02").exists()


def test_all_points_of_a_sweep_have_one_corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emofuse.experiments.sweep.run.write_run_report", lambda *arguments: None)
    corpus = text_corpus(tmp_path / "corpus", dialogues=6)
    wanted, axis = text_settings(corpus, **ONE_EPOCH), Axis("optimiser.learning_rate", (0.01, 0.02))
    found = sweep(wanted, corpus, [axis], tmp_path / "swept", open_progress=silent)
    shutil.rmtree(found.points[1].folder.path)
    with pytest.raises(EmofuseError, match="swept: belongs to another state of this corpus: 1 row changed"):
        sweep(wanted, changed(corpus, first_label_changed), [axis], tmp_path / "swept", open_progress=silent)


def ablated(corpus: Manifest, folder: Path) -> object:
    return ablate_deepmsi_mer(corpus, small_settings(corpus), folder, open_progress=silent)


def deepmsi_mer_reproduced(corpus: Manifest, folder: Path) -> object:
    return reproduce_deepmsi_mer("demo", corpus, text_settings(corpus), folder, open_progress=silent)


def mfcre_reproduced(corpus: Manifest, folder: Path) -> object:
    wanted = text_settings(corpus, model__name="mfcre", model__options={})
    return reproduce_paper(PLANS["mfcre"], "meld", corpus, wanted, folder, open_progress=silent)


@pytest.mark.parametrize(
    ("experiment", "work"),
    [
        (ablated, "emofuse.experiments.ablation.deepmsi_mer.fit_run"),
        (deepmsi_mer_reproduced, "emofuse.experiments.reproduction.deepmsi_mer.cross_validate"),
        (mfcre_reproduced, "emofuse.experiments.reproduction.paper_runs.cross_validate"),
    ],
    ids=["ablate", "reproduce deepmsi-mer", "reproduce mfcre"],
)
def test_an_experiment_is_not_taken_up_on_another_state_of_its_corpus(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    experiment: Callable[[Manifest, Path], object],
    work: str,
) -> None:
    begun = []

    def interrupt(*arguments: object, **options: object) -> None:
        begun.append(arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(work, interrupt)
    make = make_corpus if experiment is ablated else text_corpus  # its variants need all modalities
    corpus = make(tmp_path / "corpus", dialogues=2)
    for _ in range(2):  # the same corpus is taken up
        with pytest.raises(KeyboardInterrupt):
            experiment(corpus, tmp_path / "all")
    with pytest.raises(
        EmofuseError, match=r"all: belongs to another state of this corpus: 1 row changed \(d0t0\)"
    ):
        experiment(changed(corpus, first_label_changed), tmp_path / "all")
    assert len(begun) == 2


def test_the_commands_say_it(tmp_path: Path) -> None:
    corpus = text_corpus(tmp_path / "corpus", dialogues=6)
    run = str(tmp_path / "run")
    told = ["train", str(corpus.root), "-o", run, "--protocol", "dialogue", "--epochs", "1", "--quiet"]
    assert CliRunner().invoke(app, told).exit_code == 0
    changed(corpus, one_dialogue_on_top)
    refused = CliRunner().invoke(app, [*told, "--resume"])
    assert isinstance(refused.exception, EmofuseError)
    assert "6 rows added" in str(refused.exception)
    evaluated = CliRunner().invoke(app, ["evaluate", run, "--quiet"])
    assert "the corpus has changed since the training: 6 rows added" in evaluated.output
