"""What settings add to a system's loss: each against its published formula, and through whole trainings."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from torch.nn import functional as F

from emofuse.data.batch import Batch
from emofuse.data.loader import EpochDraw
from emofuse.data.manifest import Manifest
from emofuse.errors import EmofuseError
from emofuse.models.output import EmotionOutput
from emofuse.runs.regression import Regression
from emofuse.runs.settings import OptimiserSettings
from emofuse.training.fit import fit_run
from emofuse.training.global_step import GlobalStep
from emofuse.training.module import EmotionModule
from emofuse.training.objective import check_objective, disagreement, mixed_inputs, partners, smoothing
from emofuse.training.weight_average import MovingAverage
from tests.small_runs import text_corpus, text_settings


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return text_corpus(tmp_path_factory.mktemp("words"), dialogues=8)


def test_smoothing_turns_cross_entropy_into_that_of_smoothed_targets() -> None:
    logits = torch.randn(5, 4, dtype=torch.float64, requires_grad=True)
    labels = torch.tensor([0, 3, -1, 2, 2])
    known = labels >= 0
    target = F.one_hot(labels[known], 4).double() * 0.9 + 0.1 / 4
    literal = -(target * logits[known].log_softmax(-1)).sum(-1).mean()
    got = F.cross_entropy(logits[known], labels[known]) + smoothing(logits, labels, 0.1, None)
    assert torch.allclose(got, literal)
    assert smoothing(logits, torch.full((5,), -1), 0.1, None) == 0


def test_disagreement_is_the_mean_of_both_divergences() -> None:
    labels = torch.tensor([1, -1, 0])
    steps = [
        GlobalStep(EmotionOutput(torch.randn(3, 4, dtype=torch.float64)), labels, {}, 3) for _ in range(2)
    ]
    p, q = (step.output.logits[labels >= 0].softmax(-1) for step in steps)
    literal = ((p * (p / q).log()).sum(-1) + (q * (q / p).log()).sum(-1)).mean() / 2
    assert torch.allclose(disagreement(*steps), literal)
    assert disagreement(steps[0], steps[0]) == 0


def test_mixup_mixes_rows_of_the_same_modalities_alone() -> None:
    present = {"text": torch.tensor([True, True, False, True]), "audio": torch.ones(4, dtype=torch.bool)}
    text = torch.arange(8.0).reshape(4, 2)
    batch = Batch(["a", "b", "c", "d"], {"text": text, "present": present}, torch.tensor([0, 1, 2, 0]))
    seen = set()
    for seed in range(20):
        partner = partners(batch, np.random.default_rng(seed))
        assert partner[2] == 2
        assert (partner != 2).sum() == 3
        seen.add(tuple(partner.tolist()))
    assert len(seen) > 2
    mixed = mixed_inputs(batch.inputs, torch.tensor([1, 0, 2, 3]), 0.25)
    assert torch.allclose(mixed["text"][0], 0.25 * text[0] + 0.75 * text[1])
    assert torch.equal(mixed["text"][2], text[2])
    assert mixed["present"] is present


def test_balanced_draws_show_each_class_as_often() -> None:
    labels = np.array([0] * 90 + [1] * 10)
    weights = 1 / np.bincount(labels)[labels]
    order = EpochDraw(weights.tolist(), seed=3)
    counts: Counter[int] = Counter()
    for epoch in range(20):
        order.begin_epoch(epoch)
        rows = list(order)
        assert rows == list(order)
        counts.update(int(labels[row]) for row in rows)
    assert 0.45 < counts[1] / counts.total() < 0.55


def test_a_moving_average_is_the_published_one() -> None:
    average = MovingAverage(0.9)._kwargs["avg_fn"]
    current, before = torch.tensor([2.0]), torch.tensor([1.0])
    assert average(before, current, 0).item() == pytest.approx(0.1 * 1 + 0.9 * 2)
    assert average(before, current, 10_000).item() == pytest.approx(0.9 * 1 + 0.1 * 2)
    assert average(torch.tensor(3), torch.tensor(4), 5) == 4


@pytest.mark.parametrize(
    "changes",
    [
        {"optimiser__label_smoothing": 0.1, "optimiser__sampling": "balanced"},
        {"optimiser__mixup": 0.4},
        {"optimiser__r_drop": 1.0},
        {"optimiser__weight_average": "ema", "optimiser__ema_decay": 0.9},
        {"optimiser__weight_average": "swa", "optimiser__swa_start": 0.0},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_training_with_each_is_another_one_and_resumes_to_the_same_numbers(
    words: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]
) -> None:
    plain = fit_run(text_settings(words, optimiser__epochs=2), words, tmp_path / "plain")
    settings = text_settings(words, optimiser__epochs=2, **changes)
    whole = fit_run(settings, words, tmp_path / "whole")
    step = EmotionModule.training_step

    def broken(self: EmotionModule, batch: Batch, batch_idx: int) -> torch.Tensor:
        if self.current_epoch == 1 and batch_idx == 1:
            raise RuntimeError("power cut")
        return step(self, batch, batch_idx)

    with monkeypatch.context() as patch:
        patch.setattr(EmotionModule, "training_step", broken)
        with pytest.raises(RuntimeError):
            fit_run(settings, words, tmp_path / "cut")
    resumed = fit_run(settings, words, tmp_path / "cut", resume=True)
    weights = [load_file(run.weights_file) for run in (whole, resumed, plain)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert not all(torch.equal(weights[0][name], weights[2][name]) for name in weights[0])
    history = pd.read_csv(whole.history_file)
    if "optimiser__r_drop" in changes:
        assert (history["train_r_drop"] > 0).all()


def test_an_average_is_what_is_judged_and_saved(words: Manifest, tmp_path: Path) -> None:
    """With a rate of nothing but the first steps' the average and the weights would be the same; here they are not."""
    seen: list[dict[str, torch.Tensor]] = []
    end = EmotionModule.on_train_epoch_end

    def look(self: EmotionModule) -> None:
        seen.append({name: value.clone() for name, value in self.model.state_dict().items()})
        end(self)

    settings = text_settings(words, optimiser__epochs=1, optimiser__weight_average="ema")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(EmotionModule, "on_train_epoch_end", look)
        run = fit_run(settings, words, tmp_path / "run")
    saved = load_file(run.weights_file)
    assert any(not torch.equal(saved[name], seen[0][name]) for name in saved)


def test_a_stochastic_average_is_the_mean_of_the_last_epochs(words: Manifest, tmp_path: Path) -> None:
    """Of epochs 2 to 4 of four; what is judged in each epoch is what a checkpoint of that epoch would keep."""
    ends: list[dict[str, torch.Tensor]] = []
    judged: list[dict[str, torch.Tensor]] = []

    def noting(method: Any, kept: list[dict[str, torch.Tensor]]) -> Any:
        def noted(self: EmotionModule, *given: Any) -> None:
            kept.append({name: value.clone() for name, value in self.model.state_dict().items()})
            method(self, *given)

        return noted

    settings = text_settings(
        words, optimiser__epochs=4, optimiser__weight_average="swa", optimiser__swa_start=0.25
    )
    with pytest.MonkeyPatch.context() as patch:
        for name, kept in (("on_train_epoch_end", ends), ("on_validation_epoch_start", judged)):
            patch.setattr(EmotionModule, name, noting(getattr(EmotionModule, name), kept))
        run = fit_run(settings, words, tmp_path / "run")
    saved, best = load_file(run.weights_file), run.read_record().best_epoch
    assert best is not None
    for name, value in saved.items():
        for epoch in range(4):
            inside = [ends[each][name] for each in range(1, epoch + 1)] or [ends[0][name]]
            mean = torch.stack([each.double() for each in inside]).mean(dim=0).to(value.dtype)
            torch.testing.assert_close(judged[epoch][name], mean)
        assert torch.equal(value, judged[best][name])
    assert any(not torch.equal(judged[3][name], ends[3][name]) for name in saved)


def test_what_does_not_fit_is_refused_in_a_line(words: Manifest, tmp_path: Path) -> None:
    settings = text_settings(words, model__name="mfcre", model__options={}, optimiser__mixup=0.2)
    with pytest.raises(EmofuseError, match=r"optimiser\.mixup: mfcre reads dialogues"):
        fit_run(settings, words, tmp_path / "run")
    with pytest.raises(EmofuseError, match="mixup and r_drop"):
        text_settings(words, optimiser__mixup=0.2, optimiser__r_drop=1.0)


def test_two_passes_are_refused_for_a_system_that_counts_them() -> None:
    settings = OptimiserSettings(r_drop=1.0)
    check_objective("mult", Regression(), settings)
    with pytest.raises(EmofuseError, match=r"optimiser\.r_drop: self-mm counts how often"):
        check_objective("self-mm", Regression(), settings)
