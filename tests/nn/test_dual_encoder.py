"""Two encoders side by side (CM-MSF §3.2)."""

import pytest
import torch
from torch import Tensor

from emofuse.nn.dual_encoder import DualEncoder, TemporalTransformer
from emofuse.nn.modality_encoder import sinusoidal_positions

KINDS = {
    "text": ("features", "lstm"),
    "audio": ("transformer", "bigru"),
    "video": ("features", "transformer"),
}
MASK = torch.arange(6) < torch.tensor([[6], [1], [4]])


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def make(encoders, **options) -> DualEncoder:
    return DualEncoder(5, 8, encoders, layers=2, heads=2, ff_dim=16, **options).double().eval()


def attend(layer: torch.nn.TransformerEncoderLayer, x: Tensor) -> Tensor:
    """Self-attention of one sequence (T, d), head by head."""
    attention = layer.self_attn
    q, k, v = (x @ attention.in_proj_weight.T + attention.in_proj_bias).chunk(3, dim=-1)
    heads = []
    for i in range(attention.num_heads):
        part = slice(i * attention.head_dim, (i + 1) * attention.head_dim)
        weights = (q[:, part] @ k[:, part].T / attention.head_dim**0.5).softmax(-1)
        heads.append(weights @ v[:, part])
    return torch.cat(heads, -1) @ attention.out_proj.weight.T + attention.out_proj.bias


def test_the_transformer_is_positions_then_layers():
    transformer = TemporalTransformer(8, 2, 2, 16, 0.3).double().eval()
    x = torch.randn(3, 6, 8).double()
    out = transformer(x, MASK)
    for b, length in enumerate(MASK.sum(1).tolist()):
        z = x[b, :length] + sinusoidal_positions(0, length, 8, 10_000.0, x.device, x.dtype)
        for layer in transformer.layers.layers:
            z = z + attend(layer, layer.norm1(z))
            z = z + layer.linear2(torch.relu(layer.linear1(layer.norm2(z))))
        torch.testing.assert_close(out[b, :length], transformer.layers.norm(z))


def test_every_layer_of_the_transformer_starts_from_weights_of_its_own():
    transformer = TemporalTransformer(8, 3, 2, 16, 0.0)
    layers = transformer.layers.layers
    matrices = [[p for p in layer.parameters() if p.ndim > 1] for layer in layers]
    assert len(layers) == 3
    for others in (matrices[1], matrices[2]):
        assert not any(torch.equal(a, b) for a, b in zip(matrices[0], others, strict=True))
    library = torch.nn.TransformerEncoder(layers[0], 3, torch.nn.LayerNorm(8), enable_nested_tensor=False)
    assert (
        transformer.layers.state_dict().keys() == library.state_dict().keys()
    )  # weights of earlier runs load


def test_the_encoders_share_the_input_layer():
    encoder = make(("transformer", "bigru"))
    x = torch.randn(3, 6, 5).double()
    shared = encoder.input(x)
    A, B = encoder(x, MASK)
    torch.testing.assert_close(A, encoder.encoders[0](shared, MASK))
    torch.testing.assert_close(B, encoder.encoders[1](shared, MASK))


def test_upstream_states_only_pass_the_input_layer():
    encoder = make(("features", "lstm"))
    x = torch.randn(3, 6, 5).double()
    A, _ = encoder(x, MASK)
    expected = x @ encoder.input.weight.T + encoder.input.bias
    torch.testing.assert_close(A, expected * MASK.unsqueeze(-1))


@pytest.mark.parametrize("m", KINDS)
def test_padding_changes_nothing(m):
    encoder = make(KINDS[m])
    x = torch.randn(3, 6, 5).double().masked_fill(~MASK.unsqueeze(-1), torch.nan)
    whole = encoder(x, MASK)
    for b, length in enumerate(MASK.sum(1).tolist()):
        alone = encoder(x[b : b + 1, :length], MASK[b : b + 1, :length])
        for y, z in zip(whole, alone, strict=True):
            torch.testing.assert_close(y[b, :length], z[0])
            assert (y[b, length:] == 0).all()


@pytest.mark.parametrize("m", KINDS)
def test_nothing_real_gives_zeros_and_finite_gradients(m):
    encoder = make(KINDS[m]).train()
    mask = torch.tensor([[False] * 6, [True] * 6])
    sequences = encoder(torch.randn(2, 6, 5).double(), mask)
    sum(s.square().sum() for s in sequences).backward()
    assert all((s[0] == 0).all() for s in sequences)
    assert all(torch.isfinite(p.grad).all() for p in encoder.parameters())


@pytest.mark.parametrize("kind", ["transformer", "lstm", "bigru"])
def test_encoders_know_the_order_of_time(kind):
    encoder = make((kind,))
    x, mask = torch.randn(1, 6, 5).double(), torch.ones(1, 6, dtype=torch.bool)
    assert not torch.allclose(encoder(x.flip(1), mask)[0].flip(1), encoder(x, mask)[0])


@pytest.mark.parametrize("kind", ["transformer", "lstm", "bigru"])
def test_gradients(kind):
    encoder = DualEncoder(2, 4, (kind,), layers=1, heads=2, ff_dim=4).double()
    x = torch.randn(2, 3, 2, dtype=torch.float64, requires_grad=True)
    mask = torch.tensor([[True, True, True], [True, False, False]])
    assert torch.autograd.gradcheck(lambda x: encoder(x, mask)[0], x)
