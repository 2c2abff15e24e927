"""The cascade against CM-MSF Eq. 8-12."""

import itertools

import pytest
import torch
from torch import Tensor, nn

from emofuse.nn.cascade import CrossModalCascade, CrossModalEncoder, CrossModalLayer
from tests.nn.test_cross_attention import literal as attended

NAMES = ("text", "audio", "video")
LENGTHS = {"text": [4, 2], "audio": [6, 5], "video": [1, 3]}


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def normalised(norm: nn.LayerNorm, x: Tensor) -> Tensor:
    """Layer normalisation of (T, d), row by row."""
    rows = []
    for row in x:
        mean = sum(row) / len(row)
        variance = sum((value - mean) ** 2 for value in row) / len(row)
        rows.append((row - mean) / torch.sqrt(variance + norm.eps) * norm.weight + norm.bias)
    return torch.stack(rows)


def convolved(conv: nn.Conv1d, x: Tensor) -> Tensor:
    """Conv1d over (T, d), tap by tap."""
    reach = conv.kernel_size[0] // 2
    out = []
    for t in range(len(x)):
        value = conv.bias.clone()
        for tap, place in enumerate(range(t - reach, t + reach + 1)):
            if 0 <= place < len(x):
                value = value + conv.weight[:, :, tap] @ x[place]
        out.append(value)
    return torch.stack(out)


def literal_layer(layer: CrossModalLayer, U: Tensor, U_S: Tensor) -> Tensor:
    """One layer over one row without padding."""
    everything = torch.ones(len(U_S), dtype=torch.bool)
    multi_head = attended(layer.attention, U, U_S, everything)  # (8)
    U_hat = normalised(layer.attention_norm, multi_head) + normalised(layer.query_norm, U)  # (10)
    return normalised(layer.conv_norm, convolved(layer.conv, U_hat)) + normalised(
        layer.residual_norm, U_hat
    )  # (11)


def literal_bilstm(encoder: CrossModalEncoder, x: Tensor) -> Tensor:
    """Forward and backward passes over (T, d), summed."""

    def run(rnn: nn.LSTM, steps: range) -> dict[int, Tensor]:
        h = c = torch.zeros(rnn.hidden_size, dtype=x.dtype)
        states = {}
        for t in steps:
            gates = rnn.weight_ih_l0 @ x[t] + rnn.bias_ih_l0 + rnn.weight_hh_l0 @ h + rnn.bias_hh_l0
            i, f, g, o = gates.chunk(4)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            states[t] = h = torch.sigmoid(o) * torch.tanh(c)
        return states

    ahead = run(encoder.bilstm.ahead, range(len(x)))
    back = run(encoder.bilstm.back, range(len(x) - 1, -1, -1))
    return torch.stack([ahead[t] + back[t] for t in range(len(x))])


def scatter_norms(module: nn.Module) -> None:
    """Norms that start as the identity would hide which of them is applied where."""
    for norm in module.modules():
        if isinstance(norm, nn.LayerNorm):
            nn.init.normal_(norm.weight, 1.0, 0.3)
            nn.init.normal_(norm.bias, 0.0, 0.3)


def make(dim=4, modalities=NAMES, **options) -> CrossModalCascade:
    cascade = CrossModalCascade(dim, modalities, **{"layers": 2, "heads": 2, "hidden": 3, **options}).double()
    scatter_norms(cascade)
    return cascade.eval()


def batch(dim=4) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    masks = {m: torch.arange(max(n)) < torch.tensor(n).unsqueeze(1) for m, n in LENGTHS.items()}
    return {m: torch.randn(*mask.shape, dim).double() for m, mask in masks.items()}, masks


@torch.no_grad()
@pytest.mark.parametrize("kernel_size", [1, 3, 5])
def test_a_layer_is_equations_8_10_and_11(kernel_size):
    layer = CrossModalLayer(4, 2, kernel_size).double()
    scatter_norms(layer)
    U, masks = batch()
    out = layer(U["audio"], U["text"], masks["audio"], masks["text"])
    for b, (n, s) in enumerate(zip(LENGTHS["audio"], LENGTHS["text"], strict=True)):
        torch.testing.assert_close(out[b, :n], literal_layer(layer, U["audio"][b, :n], U["text"][b, :s]))


@torch.no_grad()
def test_the_cascade_is_equations_9_to_12():
    cascade = make(layers=3)
    U, masks = batch()
    updated = cascade(U, masks)
    for t, b in itertools.product(NAMES, range(2)):
        n = LENGTHS[t][b]
        parts = []
        for s in (s for s in NAMES if s != t):
            encoder, reduce = cascade.encoders[f"{s}_to_{t}"], cascade.reduce[f"{s}_to_{t}"]
            u = U[t][b, :n]  # (9)
            for layer in encoder.layers:
                u = literal_layer(layer, u, U[s][b, : LENGTHS[s][b]])
            parts.append(literal_bilstm(encoder, u) @ reduce.weight.T + reduce.bias)
        torch.testing.assert_close(updated[t][b, :n], torch.cat(parts, dim=-1))  # (12)
        assert (updated[t][b, n:] == 0).all()


def test_every_ordered_pair_has_its_encoder():
    assert len(make().encoders) == 6
    assert set(make(modalities=("text", "video")).encoders) == {"text_to_video", "video_to_text"}


def test_without_bilstm_the_layers_are_left():
    cascade = make(hidden=None, modalities=("text", "audio"))
    U, masks = batch()
    (first, second), reduce = cascade.encoders["audio_to_text"].layers, cascade.reduce["audio_to_text"]
    around = U["audio"], masks["text"], masks["audio"]
    u = second(first(U["text"], *around), *around)
    torch.testing.assert_close(cascade(U, masks)["text"][masks["text"]], reduce(u)[masks["text"]])


@pytest.mark.parametrize("hidden", [3, None])
def test_padding_changes_nothing(hidden):
    cascade = make(hidden=hidden)
    U, masks = batch()
    more = {m: torch.cat([u.masked_fill(~masks[m].unsqueeze(-1), 7.0), u], 1) for m, u in U.items()}
    more_masks = {m: torch.cat([mask, torch.zeros_like(mask)], 1) for m, mask in masks.items()}
    padded = cascade(more, more_masks)
    for m, u in cascade(U, masks).items():
        torch.testing.assert_close(padded[m][:, : u.shape[1]], u)
        assert (padded[m][:, u.shape[1] :] == 0).all()


def test_what_a_row_lacks_informs_nothing_there():
    cascade = make()
    U, masks = batch()
    masks["audio"][0] = False
    before = cascade(U, masks)
    U["audio"] = U["audio"] + 1.0
    after = cascade(U, masks)
    for m in NAMES:
        torch.testing.assert_close(after[m][0], before[m][0])
    assert (after["audio"][0] == 0).all()
    assert not torch.allclose(after["text"][1], before["text"][1])


def test_everything_may_be_missing():
    cascade = make().train()
    U, masks = batch()
    nothing = {m: torch.zeros_like(mask) for m, mask in masks.items()}
    leaves = {m: u.requires_grad_() for m, u in U.items()}
    updated = cascade(leaves, nothing)
    sum(u.square().sum() for u in updated.values()).backward()
    assert all((u == 0).all() for u in updated.values())
    assert all(torch.isfinite(p.grad).all() for p in cascade.parameters())
    assert all(torch.isfinite(u.grad).all() for u in leaves.values())


def test_rows_do_not_know_each_other():
    cascade = make()
    U, masks = batch()
    turned = cascade({m: u.flip(0) for m, u in U.items()}, {m: mask.flip(0) for m, mask in masks.items()})
    for m, u in cascade(U, masks).items():
        torch.testing.assert_close(turned[m].flip(0), u)


def test_gradients():
    cascade = make(dim=2, layers=1, heads=1, hidden=2)
    x = torch.randn(3, 1, 2, 2, dtype=torch.float64, requires_grad=True)
    masks = {m: torch.tensor([[True, m != "audio"]]) for m in NAMES}
    assert torch.autograd.gradcheck(
        lambda x: tuple(cascade(dict(zip(NAMES, x, strict=True)), masks).values()), x
    )


def test_settings_that_do_not_fit():
    with pytest.raises(ValueError, match="odd"):
        CrossModalLayer(4, 2, kernel_size=2)
    with pytest.raises(ValueError, match="divide"):
        CrossModalCascade(5, NAMES)
    with pytest.raises(ValueError, match="other"):
        CrossModalCascade(4, ("text",))
