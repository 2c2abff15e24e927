"""Eq. 4 and the properties that a causal network has."""

import pytest
import torch

from emofuse.errors import EmofuseError
from emofuse.nn import TemporalConvNet
from emofuse.nn.temporal_conv_net import CausalConv1d


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def network(**options) -> TemporalConvNet:
    settings = {"in_channels": 3, "channels": (4, 4, 5), "kernel_size": 3, "dropout": 0.3} | options
    return TemporalConvNet(**settings).double().eval()


@pytest.mark.parametrize(("kernel_size", "dilation"), [(1, 1), (2, 1), (3, 1), (3, 2), (3, 4), (5, 3)])
def test_convolution_is_equation_4(kernel_size, dilation):
    conv = CausalConv1d(2, 3, kernel_size, dilation).double()
    x = torch.randn(1, 2, 9, dtype=torch.float64)
    weight, bias = conv.conv.weight, conv.conv.bias
    expected = torch.zeros(1, 3, 9, dtype=torch.float64)
    for t in range(9):
        expected[0, :, t] = bias
        for k in range(kernel_size):
            if t - k * dilation >= 0:
                expected[0, :, t] += weight[:, :, kernel_size - 1 - k] @ x[0, :, t - k * dilation]
    torch.testing.assert_close(conv(x), expected)


def test_blocks_are_residual_with_doubling_dilation():
    net, x = network(), torch.randn(2, 3, 15, dtype=torch.float64)
    expected = x
    for i, block in enumerate(net.blocks):
        first, second = block.branch[0], block.branch[3]
        assert first.reach == second.reach == 2 * 2**i
        inner = second(first(expected).relu()).relu()
        expected = (inner + block.shortcut(expected)).relu()
    torch.testing.assert_close(net(x), expected)


def test_weight_norm_keeps_direction_and_length_apart():
    conv = CausalConv1d(2, 3, 3, 1).conv
    length, direction = conv.parametrizations.weight.original0, conv.parametrizations.weight.original1
    torch.testing.assert_close(conv.weight, length * direction / direction.norm(dim=(1, 2), keepdim=True))


def test_the_future_does_not_change_the_past():
    net, x = network(), torch.randn(1, 3, 20, dtype=torch.float64)
    changed = x.clone()
    changed[..., 12:] += 1.0
    before, after = net(x), net(changed)
    assert torch.equal(before[..., :12], after[..., :12])
    assert not torch.allclose(before[..., 12], after[..., 12])


@pytest.mark.parametrize(("kernel_size", "blocks"), [(2, 1), (3, 1), (3, 2), (2, 3), (1, 2)])
def test_receptive_field_is_what_the_formula_says(kernel_size, blocks):
    net = network(channels=(4,) * blocks, kernel_size=kernel_size)
    for parameter in net.parameters():
        parameter.data.abs_()  # no ReLU is shut, so that every path shows
    x = torch.rand(1, 3, 40, dtype=torch.float64, requires_grad=True)
    net(x)[..., -1].square().sum().backward()
    reached = x.grad.abs().sum(dim=(0, 1)).nonzero().flatten()
    assert 40 - int(reached.min()) == net.receptive_field


def test_the_papers_size_sees_all_fifteen_frames():
    assert TemporalConvNet(8, (8, 8, 8)).receptive_field == 29


def test_shifting_the_input_shifts_the_output_away_from_the_left_edge():
    net = network()
    field = net.receptive_field
    x = torch.randn(1, 3, field + 8, dtype=torch.float64)
    later = torch.cat([torch.randn(1, 3, 5, dtype=torch.float64), x], dim=-1)
    torch.testing.assert_close(net(later)[..., 5 + field - 1 :], net(x)[..., field - 1 :])


def test_gradient():
    net = network(channels=(2, 2), kernel_size=2)
    x = torch.randn(1, 3, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(net, (x,))


def test_one_step_and_rows_apart():
    net = network()
    x = torch.randn(3, 3, 1, dtype=torch.float64)
    assert net(x).shape == (3, 5, 1)
    torch.testing.assert_close(net(x)[1:2], net(x[1:2]))


@pytest.mark.parametrize("options", [{"channels": ()}, {"channels": (4, 0)}, {"kernel_size": 0}])
def test_settings_out_of_range_are_refused(options):
    with pytest.raises(EmofuseError):
        network(**options)
