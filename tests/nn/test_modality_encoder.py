"""The modality encoder against §3.3, Eq. 4-5."""

import math

import pytest
import torch
from torch import Tensor

from emofuse.nn.modality_encoder import ModalityEncoder, SharedSpace, sinusoidal_positions
from emofuse.nn.stream_memory import StreamMemory

NAMES = ("text", "audio", "video")


def make(modalities=NAMES, **options) -> ModalityEncoder:
    torch.manual_seed(0)
    return ModalityEncoder(dict.fromkeys(modalities, 6), 8, heads=2, ff_dim=16, **options).double()


def batch(length=7, modalities=NAMES) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    features = {m: torch.randn(2, length, 6, dtype=torch.float64) for m in modalities}
    return features, {m: torch.rand(2, length) > 0.3 for m in modalities}


def test_positions_are_the_sinusoids():
    p = sinusoidal_positions(3, 5, 6, 10_000.0, torch.device("cpu"), torch.float64)
    for row in range(5):
        for k in range(3):
            angle = (3 + row) / 10_000 ** (2 * k / 6)
            assert p[row, 2 * k] == pytest.approx(math.sin(angle))
            assert p[row, 2 * k + 1] == pytest.approx(math.cos(angle))
    assert sinusoidal_positions(0, 2, 7, 100.0, torch.device("cpu"), torch.float32).shape == (2, 7)


@pytest.mark.parametrize("causal", [False, True])
def test_shared_space_is_convolution_plus_position(causal):
    shared = SharedSpace(6, 8, kernel_size=3, causal=causal).double()
    x = torch.randn(1, 5, 6, dtype=torch.float64)
    present = torch.tensor([[True, False, True, True, True]])
    y = shared(x, present)[0]
    taps = (-2, -1, 0) if causal else (-1, 0, 1)
    positions = sinusoidal_positions(0, 5, 8, 10_000.0, x.device, x.dtype)
    for i in range(5):
        expected = shared.conv.bias.clone()
        for tap, offset in enumerate(taps):
            if 0 <= i + offset < 5 and present[0, i + offset]:
                expected = expected + shared.conv.weight[:, :, tap] @ x[0, i + offset]
        expected = shared.norm(expected) if present[0, i] else shared.absent
        torch.testing.assert_close(y[i], expected + positions[i])


def test_it_is_the_equations():
    encoder = make(layers=2)
    features, present = batch()
    H = {m: encoder.shared[m](features[m], present[m]) for m in NAMES}
    encoded = encoder(features, present)
    for m in NAMES:
        views = []
        for n in NAMES:
            first, second = encoder.transformers[f"{n}_to_{m}"]
            z = first(H[m], [(H[n], present[n])])
            views.append(second(z, [(z if n == m else H[n], present[n])]))
        concatenated = torch.cat(views, dim=-1)
        expected = concatenated @ encoder.combine[m].weight.T + encoder.combine[m].bias
        torch.testing.assert_close(encoded[m], expected)


def test_every_ordered_pair_has_its_transformer():
    assert len(make().transformers) == 9
    assert len(make(("text",)).transformers) == 1


@pytest.mark.parametrize("options", [{}, {"causal": True}, {"causal": True, "window": 3}, {"window": 2}])
def test_what_is_absent_has_no_influence(options):
    encoder = make(**options)
    features, present = batch()
    changed = {m: x.masked_fill(~present[m].unsqueeze(-1), torch.nan) for m, x in features.items()}
    for a, b in zip(encoder(features, present).values(), encoder(changed, present).values(), strict=True):
        torch.testing.assert_close(a, b)


def test_an_absent_modality_still_asks_the_others():
    encoder = make()
    features, present = batch()
    present["video"][:] = False
    present["text"][:] = True
    before = encoder(features, present)["video"]
    features["text"] = features["text"] + 1.0
    assert not torch.allclose(before, encoder(features, present)["video"])


@pytest.mark.parametrize("pieces", [1, 4])
def test_a_stream_equals_the_whole(pieces):
    encoder = make(causal=True, window=4, layers=2)
    features, present = batch(length=15)
    memory = StreamMemory()
    parts = []
    for a in range(0, 15, pieces):
        part = slice(a, a + pieces)
        parts.append(
            encoder(
                {m: x[:, part] for m, x in features.items()},
                {m: p[:, part] for m, p in present.items()},
                memory,
            )
        )
    whole = encoder(features, present)
    for m in NAMES:
        torch.testing.assert_close(torch.cat([p[m] for p in parts], dim=1), whole[m])


def test_gradients():
    torch.manual_seed(0)
    encoder = ModalityEncoder({"text": 3, "audio": 2}, 4, heads=2, ff_dim=4).double()
    text = torch.randn(1, 3, 3, dtype=torch.float64, requires_grad=True)
    audio = torch.randn(1, 3, 2, dtype=torch.float64, requires_grad=True)
    present = {"text": torch.tensor([[True, True, False]]), "audio": torch.ones(1, 3, dtype=torch.bool)}
    assert torch.autograd.gradcheck(
        lambda t, a: tuple(encoder({"text": t, "audio": a}, present).values()), (text, audio)
    )


def test_a_convolution_that_looks_ahead_has_a_middle():
    with pytest.raises(ValueError, match="odd"):
        SharedSpace(4, 4, kernel_size=2)
    SharedSpace(4, 4, kernel_size=2, causal=True)
