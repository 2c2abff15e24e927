"""Eq. 5 and 6 of DeepMSI-MER against loops in float64."""

import math

import pytest
import torch
from torch import Tensor

from emofuse.errors import EmofuseError
from emofuse.losses import CrossModalContrastiveLoss
from tests.losses.literal_contrastive import literal_pair, similarities


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def batch(size: int = 7, dim: int = 5, seed: int = 0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    features = [torch.randn(size, dim, generator=generator, dtype=torch.float64) for _ in range(3)]
    return (*features, torch.randint(0, 3, (size,), generator=generator))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("tau", [0.05, 0.5, 2.0])
def test_loss_is_equation_5(seed, tau):
    video, text, audio, labels = batch(seed=seed)
    expected = [literal_pair(similarities(video, other), labels.tolist(), tau) for other in (text, audio)]
    got = CrossModalContrastiveLoss(tau)(video, text, audio, labels)
    assert float(got) == pytest.approx(sum(expected) / 2, rel=1e-10)


def test_one_modality_beside_the_video_is_its_pair_alone():
    video, text, audio, labels = batch()
    loss = CrossModalContrastiveLoss()
    both = (loss(video, text, None, labels) + loss(video, None, audio, labels)) / 2
    torch.testing.assert_close(loss(video, text, audio, labels), both)
    assert float(loss(video, None, None, labels)) == 0.0


def test_gradient_is_equation_6():
    """d/ds of Eq. 5: a positive (i, j) gets (p_ij - 1), a negative (i, n) the sum over the row's positives
    of e^(s_in/τ) over the same denominator, each over B·(B - 1)·τ."""
    tau, labels = 0.5, [0, 0, 1, 0, 2, 1]
    size = len(labels)
    s = torch.rand(size, size, dtype=torch.float64) * 2 - 1
    expected = torch.zeros_like(s)
    for i in range(size):
        negatives = [n for n in range(size) if labels[n] != labels[i]]
        pushed = sum(math.exp(s[i, n] / tau) for n in negatives)
        for j in range(size):
            if j == i or labels[j] != labels[i]:
                continue
            denominator = math.exp(s[i, j] / tau) + pushed
            expected[i, j] += math.exp(s[i, j] / tau) / denominator - 1.0
            for n in negatives:
                expected[i, n] += math.exp(s[i, n] / tau) / denominator
    expected /= size * (size - 1) * tau
    # Rows and unit columns whose cosines are exactly s: video has a free coordinate that the others lack.
    video = torch.zeros(size, size + 1, dtype=torch.float64)
    video[:, :size] = s / size
    video[:, size] = (1.0 - video[:, :size].square().sum(dim=1)).sqrt()
    others = torch.eye(size, size + 1, dtype=torch.float64)
    video.requires_grad_()
    CrossModalContrastiveLoss(tau / size)(video, others, None, torch.tensor(labels)).backward()
    # The gradient with respect to a row of unit length is that of its cosines, less its radial part.
    row = torch.zeros_like(video)
    row[:, :size] = expected * size
    unit = video.detach()
    tangential = row - (row * unit).sum(dim=1, keepdim=True) * unit
    torch.testing.assert_close(video.grad, tangential)


def test_gradcheck():
    video, text, audio, labels = batch(size=5, dim=3)
    inputs = [x.requires_grad_() for x in (video, text, audio)]
    loss = CrossModalContrastiveLoss()
    assert torch.autograd.gradcheck(lambda *x: loss(*x, labels), inputs)


def test_order_of_rows_and_names_of_classes_do_not_matter():
    video, text, audio, labels = batch()
    loss, order = CrossModalContrastiveLoss(), torch.randperm(7)
    expected = loss(video, text, audio, labels)
    torch.testing.assert_close(loss(video[order], text[order], audio[order], labels[order]), expected)
    torch.testing.assert_close(loss(video, text, audio, (labels + 1) % 3), expected)
    torch.testing.assert_close(loss(3 * video, text / 7, audio, labels), expected)


@pytest.mark.parametrize("labels", [[0], [1, 1, 1], [0, 1, 2, 3]], ids=["one row", "one class", "all apart"])
def test_without_positives_or_negatives_it_is_zero_and_differentiable(labels):
    features = [torch.randn(len(labels), 4, requires_grad=True) for _ in range(3)]
    loss = CrossModalContrastiveLoss()(*features, torch.tensor(labels))
    assert loss.item() == 0.0
    loss.backward()
    assert all((x.grad == 0).all() for x in features)


def test_rows_that_lack_a_modality_leave_its_pair():
    video, text, audio, labels = batch(size=8)
    present = {"text": torch.arange(8) != 2, "video": torch.arange(8) != 5}
    here = {name: x.clone().requires_grad_() for name, x in (("v", video), ("t", text), ("a", audio))}
    with torch.no_grad():
        here["v"][5] = float("nan")
        here["t"][2] = float("inf")
    loss = CrossModalContrastiveLoss()
    got = loss(here["v"], here["t"], here["a"], labels, present)
    with_text = [0, 1, 3, 4, 6, 7]
    with_audio = [0, 1, 2, 3, 4, 6, 7]
    expected = (
        loss(video[with_text], text[with_text], None, labels[with_text])
        + loss(video[with_audio], None, audio[with_audio], labels[with_audio])
    ) / 2
    torch.testing.assert_close(got, expected)
    got.backward()
    assert all(torch.isfinite(x.grad).all() for x in here.values())
    assert (here["v"].grad[5] == 0).all()
    assert (here["t"].grad[2] == 0).all()


def test_nobody_present_is_zero():
    video, text, audio, labels = batch()
    nobody = {"video": torch.zeros(7, dtype=torch.bool)}
    assert float(CrossModalContrastiveLoss()(video, text, audio, labels, nobody)) == 0.0


@pytest.mark.parametrize("held_by", [0, 1])
def test_a_modality_that_no_two_rows_have_is_as_one_that_is_not_given(held_by):
    video, text, audio, labels = batch()
    text.requires_grad_()
    nowhere = {"text": torch.arange(7) < held_by}
    loss = CrossModalContrastiveLoss()
    got = loss(video, text, audio, labels, nowhere)
    torch.testing.assert_close(got, loss(video, None, audio, labels))
    got.backward()
    assert (text.grad == 0).all()
    without_positives = loss(video, text, audio, labels, {"text": torch.arange(7) < 2})
    assert labels[0] != labels[1]
    assert without_positives < got  # two rows are a pair, whatever it says


def test_small_temperatures_and_half_precision_stay_finite():
    video, text, audio, labels = (x.bfloat16() if x.is_floating_point() else x for x in batch(size=16))
    video.requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = CrossModalContrastiveLoss(1e-3)(video, text, audio, labels)
    assert loss.dtype == torch.float32
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(video.grad).all()


def test_a_temperature_of_zero_is_refused():
    with pytest.raises(EmofuseError, match="temperature"):
        CrossModalContrastiveLoss(0.0)
