import json
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from emofuse.cli.main import app
from emofuse.data import Modality
from emofuse.data.clip import clip_utterance
from emofuse.data.manifest import Manifest
from emofuse.errors import EmofuseError
from emofuse.evaluation.reporting.figures import kept_levels
from emofuse.evaluation.reporting.figures.attribution import draw_attribution
from emofuse.explanation import Explanation, explain, leave_one_out, shapley_values, write_explanation
from emofuse.explanation.modalities import kept_rows
from emofuse.pipeline import EmotionPipeline
from emofuse.runs import named_run
from emofuse.runs.modalities import IMPORTED
from emofuse.runs.run_folder import RunFolder
from emofuse.training.fit import fit_run
from tests.quick_figures import true_figures
from tests.small_corpus import SMALL_MODEL, make_corpus, small_settings

ALL: tuple[Modality, ...] = ("text", "audio", "video")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return make_corpus(tmp_path_factory.mktemp("corpus"), dialogues=6)


@pytest.fixture(scope="module")
def run(corpus: Manifest, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    settings = small_settings(
        corpus,
        optimiser__epochs=12,
        optimiser__patience=12,
        optimiser__learning_rate=0.01,
        model__options=SMALL_MODEL | {"modality_dropout": 0.3},
    )
    return fit_run(settings, corpus, tmp_path_factory.mktemp("runs") / "run")


@pytest.fixture(scope="module")
def pipe(run: RunFolder) -> EmotionPipeline:
    return EmotionPipeline.from_pretrained(run.path, device="cpu")


@pytest.fixture(scope="module")
def found(pipe: EmotionPipeline, corpus: Manifest) -> Explanation:
    return explain(pipe, next(iter(corpus.rows())))


def random_game(players: tuple[Modality, ...], seed: int = 0) -> dict[tuple[Modality, ...], np.ndarray]:
    rng = np.random.default_rng(seed)
    sets = {tuple(m for i, m in enumerate(players) if (code >> i) & 1) for code in range(2 ** len(players))}
    return {some: rng.random(4) for some in sets}


@pytest.mark.parametrize("players", [ALL, ALL[:2], ALL[2:]])
def test_shapley_values_are_means_over_all_orders_of_joining(players: tuple[Modality, ...]) -> None:
    game = random_game(players)
    expected = {m: np.zeros(4) for m in players}
    orders = list(permutations(players))
    for order in orders:
        for place, joining in enumerate(order):
            before = tuple(m for m in players if m in order[:place])
            after = tuple(m for m in players if m in order[: place + 1])
            expected[joining] += (game[after] - game[before]) / len(orders)
    values = shapley_values(game, players)
    for m in players:
        np.testing.assert_allclose(values[m], expected[m], atol=1e-12)
    np.testing.assert_allclose(sum(values.values()), game[players] - game[()], atol=1e-12)


def test_a_modality_that_changes_nothing_has_no_share_and_equal_ones_have_equal_shares() -> None:
    game = {some: np.array([0.2 * len({"text", "audio"} & set(some))]) for some in random_game(ALL)}
    values = shapley_values(game, ALL)
    np.testing.assert_allclose([values[m][0] for m in ALL], [0.2, 0.2, 0.0], atol=1e-12)
    np.testing.assert_allclose([leave_one_out(game, ALL)[m][0] for m in ALL], [0.2, 0.2, 0.0], atol=1e-12)


def test_the_prediction_explained_is_the_pipelines(
    found: Explanation, pipe: EmotionPipeline, corpus: Manifest
) -> None:
    row = next(iter(corpus.rows()))
    [segment] = pipe.predict([row])
    assert found.label == segment.label
    assert found.modalities == ALL
    for label, p in segment.probabilities.items():
        assert found.probabilities[label] == pytest.approx(p, abs=1e-6)
    [blind] = pipe.predict([row], modalities=["text", "audio"])
    for i, label in enumerate(found.labels):
        assert found.given["text", "audio"][i] == pytest.approx(blind.probabilities[label], abs=1e-6)
    assert len(found.given) == 8


def test_shares_sum_to_what_everything_says_beyond_nothing(found: Explanation) -> None:
    for label in found.labels:
        total = sum(found.shapley[m][label] for m in found.modalities)
        assert total == pytest.approx(found.probabilities[label] - found.nothing[label], abs=1e-9)
    for m in found.modalities:
        assert sum(found.shapley[m].values()) == pytest.approx(0, abs=1e-9)
        assert sum(found.leave_one_out[m].values()) == pytest.approx(0, abs=1e-9)


def test_nothing_says_the_same_of_every_clip(pipe: EmotionPipeline, corpus: Manifest) -> None:
    told = [explain(pipe, row).nothing for row in list(corpus.rows())[:3]]
    assert told[0] == pytest.approx(told[1])
    assert told[0] == pytest.approx(told[2])


def test_the_patches_are_those_that_the_model_kept(found: Explanation, pipe: EmotionPipeline) -> None:
    assert found.frames is not None
    assert found.frames.shape == (4, 32, 32, 3)
    [patches] = found.kept
    rows = kept_rows(patches)
    assert [len(row) for row in rows] == [36] * 4
    levels = kept_levels([rows], patches.grid, 4)
    assert levels.sum() == 4 * 36
    told = found.to_dict()
    assert told["patches"][0]["kept"][0] == rows[0].tolist()
    assert json.loads(json.dumps(told))["shapley"]["text"] == found.shapley["text"]


def test_what_a_clip_lacks_is_named_and_has_no_share(
    pipe: EmotionPipeline, corpus: Manifest, tmp_path: Path
) -> None:
    clip, _ = clip_utterance(next(iter(corpus.rows())).video)
    silent = explain(pipe, clip)
    assert silent.modalities == ("audio", "video")
    assert silent.missing["text"] == "no text was given"
    assert len(silent.given) == 4
    words, _ = clip_utterance(None, text="what a wonderful day")
    only = explain(pipe, words)
    assert only.modalities == ("text",)
    assert only.frames is None
    assert only.kept == ()
    assert only.shapley["text"][only.label] == pytest.approx(
        only.probabilities[only.label] - only.nothing[only.label]
    )
    assert {file.name for file in write_explanation(only, tmp_path)} == {"explanation.json", "modalities.png"}


def test_a_modality_whose_features_were_imported_is_told_as_such(
    run: RunFolder, corpus: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe = EmotionPipeline.from_pretrained(run.path, device="cpu", modalities=["audio", "video"])
    part = pipe.record.encoders["text"]
    imported = part.model_copy(update={"spec": part.spec.model_copy(update={"name": IMPORTED})})
    encoders = pipe.record.encoders | {"text": imported}
    monkeypatch.setattr(pipe, "record", pipe.record.model_copy(update={"encoders": encoders}))
    told = explain(pipe, next(iter(corpus.rows())))
    assert told.modalities == ("audio", "video")
    assert told.missing["text"].startswith("the run was trained on imported features (")


def test_a_run_that_never_lost_a_modality_says_so(
    corpus: Manifest, tmp_path: Path, found: Explanation
) -> None:
    assert found.notes == ()
    run = fit_run(small_settings(corpus, optimiser__epochs=1), corpus, tmp_path / "run")
    told = explain(EmotionPipeline.from_pretrained(run.path, device="cpu"), next(iter(corpus.rows())))
    assert "without modality dropout" in told.notes[0]


def test_of_a_late_fusion_each_modality_was_trained_alone_so_that_none_is_missed(
    corpus: Manifest, tmp_path: Path
) -> None:
    settings = small_settings(corpus, model__name="late-fusion", model__options={}, optimiser__epochs=1)
    run = fit_run(settings, corpus, tmp_path / "run")
    told = explain(EmotionPipeline.from_pretrained(run.path, device="cpu"), next(iter(corpus.rows())))
    assert len(told.modalities) > 1
    assert told.notes == ()


def test_nothing_at_all_is_one_line(pipe: EmotionPipeline, corpus: Manifest, tmp_path: Path) -> None:
    with pytest.raises(EmofuseError, match="nothing to predict from"):
        clip_utterance(None)
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    broken = next(iter(corpus.rows()))
    from dataclasses import replace

    broken = replace(broken, text=None, video=tmp_path / "broken.mp4")
    with pytest.raises(EmofuseError, match="nothing to explain a prediction from"):
        explain(pipe, broken)


def test_the_command_writes_data_and_pictures(run: RunFolder, corpus: Manifest, tmp_path: Path) -> None:
    runner, clip = CliRunner(), str(next(iter(corpus.rows())).video)
    out = tmp_path / "why"
    result = runner.invoke(
        app,
        ["explain", str(run.path), clip, "--text", "I miss her", "-o", str(out), "--device", "cpu", "--json"],
    )
    assert result.exit_code == 0, result.output
    assert set(json.loads(result.stdout)["shapley"]) == set(ALL)
    assert {file.name for file in out.iterdir()} >= {"explanation.json", "modalities.png", "patches.svg"}
    manifest = str(corpus.root / "manifest.csv")
    with true_figures():
        result = runner.invoke(app, ["explain", str(run.path), manifest, "--id", "d0t1", "--device", "cpu"])
    assert "d0t1: " in result.stdout
    assert (run.path / "explanations" / "d0t1" / "patches.png").stat().st_size > 1000
    assert "say which row with --id" in str(
        runner.invoke(app, ["explain", str(run.path), manifest]).exception
    )
    assert "--id names a row" in str(
        runner.invoke(app, ["explain", str(run.path), clip, "--id", "x"]).exception
    )


@pytest.mark.parametrize(
    ("name", "place"), [("org/name", "org-name-explanations"), ("starter", "starter-explanations")]
)
def test_explaining_a_run_that_is_no_folder_here_makes_none_of_its_name(
    run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, place: str
) -> None:
    monkeypatch.setattr(named_run, "fetch_run", lambda *given, **named: run.path)
    monkeypatch.setattr(named_run, "starter_folder", lambda: run.path)
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["explain", name, "--text", "I miss her", "--device", "cpu"])
    assert result.exit_code == 0, result.output
    assert [file.name for file in tmp_path.iterdir()] == [place]
    assert (tmp_path / place / "text" / "explanation.json").is_file()


def test_bars_stand_where_the_values_are() -> None:
    figure = draw_attribution(
        {"text": 0.4, "video": -0.1}, {"text": 0.2, "video": 0.0}, label="joy", nothing=0.2, everything=0.5
    )
    bars = {bar.get_gid(): bar.get_width() for bar in figure.axes[0].patches}
    assert bars == {"shapley-0": 0.4, "leave-one-out-0": 0.2, "shapley-1": -0.1, "leave-one-out-1": 0.0}
    words = " ".join(text.get_text() for text in figure.axes[0].texts)
    assert "+40.0" in words
    assert "−10.0" in words
    with pytest.raises(ValueError, match="same modalities"):
        draw_attribution({"text": 0.4}, {"audio": 0.2}, label="joy", nothing=0.2, everything=0.5)


def test_asking_changes_nothing_in_the_run(pipe: EmotionPipeline, corpus: Manifest) -> None:
    before = {name: weight.clone() for name, weight in pipe.model.state_dict().items()}
    explain(pipe, next(iter(corpus.rows())))
    assert not pipe.model.training
    assert all(torch.equal(before[name], weight) for name, weight in pipe.model.state_dict().items())
