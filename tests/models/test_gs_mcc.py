"""GS-MCC's spectra, operators and losses against their equations."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from emofuse.losses.cross_frequency import frequency_contrast
from emofuse.models import create_model
from emofuse.nn import fourier_graph
from emofuse.nn.fourier_graph import FourierGraphOperators, FourierTransform, frequencies
from tests.models.literal import assert_same, lengths_mask

DIM = 4
MASK = lengths_mask(6, 1, 5, 2)
BOTH_WAYS = pytest.mark.parametrize("longest_matrix", [6, 5], ids=["matrices", "fast transforms"])


def padded() -> torch.Tensor:
    torch.manual_seed(0)
    x = torch.randn(*MASK.shape, DIM, dtype=torch.float64)
    return x.masked_fill(~MASK.unsqueeze(-1), 0.0).requires_grad_()


@BOTH_WAYS
def test_each_sequence_has_the_transform_of_its_own_length(longest_matrix, monkeypatch):
    monkeypatch.setattr(fourier_graph, "LONGEST_MATRIX", longest_matrix)
    x = padded()
    fourier = FourierTransform(MASK, x)
    re, im = fourier.forwards(x)
    for b, n in enumerate(MASK.sum(1).tolist()):
        spectrum = torch.fft.rfft(x[b, :n], dim=0, norm="ortho")
        torch.testing.assert_close(torch.complex(re, im)[b, : len(spectrum)], spectrum)
        assert not re[b, len(spectrum) :].any()
    torch.testing.assert_close(fourier.backwards(re, im), x)


def test_long_sequences_lose_nothing():
    mask = lengths_mask(1501, 1500)
    x = torch.randn(*mask.shape, 1).masked_fill(~mask.unsqueeze(-1), 0.0)
    fourier = FourierTransform(mask, x)
    torch.testing.assert_close(fourier.backwards(*fourier.forwards(x)), x, atol=1e-4, rtol=0)


@BOTH_WAYS
def test_operators_are_sums_of_powers_in_fourier_space(longest_matrix, monkeypatch):
    monkeypatch.setattr(fourier_graph, "LONGEST_MATRIX", longest_matrix)
    x = padded()
    layer = FourierGraphOperators(DIM, 2).double()
    for bias in (layer.real_bias, layer.imaginary_bias):
        bias.data.normal_()
    S, b = torch.complex(layer.real, layer.imaginary), torch.complex(layer.real_bias, layer.imaginary_bias)
    rows = []
    for row, n in zip(x, MASK.sum(1).tolist(), strict=True):
        X = torch.fft.rfft(row[:n], dim=0, norm="ortho")
        products = [X, X @ S[0], X @ S[0] @ S[1]]
        Y = sum(
            torch.complex(F.relu((P + c).real), F.relu((P + c).imag))
            for P, c in zip(products, b, strict=True)
        )
        rows.append(F.pad(torch.fft.irfft(Y, n=n, dim=0, norm="ortho"), (0, 0, 0, MASK.shape[1] - n)))
    found = layer(x, FourierTransform(MASK, x))
    assert_same(found, torch.stack(rows), [x, *layer.parameters()])


def test_bands_add_and_subtract_the_neighbours():
    P = torch.rand(5, 5, dtype=torch.float64, requires_grad=True)
    x = torch.randn(5, DIM, dtype=torch.float64, requires_grad=True)
    edges = torch.cartesian_prod(torch.arange(5), torch.arange(5)).T
    low, high = frequencies(x, edges, P.T.flatten(), 0.3)
    eye = torch.eye(5, dtype=torch.float64)
    assert_same(low, (0.3 * eye + P) @ x, [x, P])
    assert_same(high, (0.3 * eye - P) @ x, [x, P])


@pytest.mark.parametrize("temperature", [0.1, 0.5])
def test_it_is_the_contrastive_loss(temperature: float):
    torch.manual_seed(0)
    low, high = (torch.randn(4, DIM, dtype=torch.float64, requires_grad=True) for _ in range(2))
    terms = []
    for anchor in low:
        itself = torch.exp(torch.tensor(1 / temperature, dtype=torch.float64))
        others = sum(torch.exp(F.cosine_similarity(anchor, o, dim=0) / temperature) for o in high)
        terms.append(-torch.log(itself / (itself + others)))
    found = frequency_contrast(low, high, temperature)
    assert_same(found, torch.stack(terms).mean(), [low, high])
    assert frequency_contrast(low[:0], high[:0], temperature) == 0


def test_losses_are_of_the_nodes_that_there_are():
    torch.manual_seed(0)
    model = create_model("gs-mcc", preset="tiny", num_classes=3, text_dim=3, modalities=("text",)).eval()
    mask = lengths_mask(3, 1)
    text, labels = torch.randn(2, 3, 3), torch.tensor([[0, 1, 2], [1, -1, -1]])
    output = model(text=text, mask=mask)
    losses = model.training_loss(output, labels)
    low, high = output.low["text"][mask], output.high["text"][mask]
    torch.testing.assert_close(losses["low_contrast"], frequency_contrast(low, high, 0.5))
    torch.testing.assert_close(losses["high_contrast"], frequency_contrast(high, low, 0.5))
    expected = F.cross_entropy(output.logits[mask], labels[mask]) + 0.1 * (
        losses["low_contrast"] + losses["high_contrast"]
    )
    torch.testing.assert_close(losses["loss"], expected)
