"""Temporal convolutional network: DeepMSI-MER, section 3.1.3, Eq. 4, after Bai et al. 2018."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import weight_norm

from emofuse.errors import EmofuseError


class CausalConv1d(nn.Module):
    """Dilated convolution that looks only back: y(t) = b + Σ_k w_k · x(t - k·d), k = 0 .. K-1 (Eq. 4).

    What lies before the first step counts as zero. The weights are weight-normalised (Bai et al. 2018).
    ``weight[..., -1]`` is w_0, the tap on the present step.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, dilation: int) -> None:
        super().__init__()
        self.reach = (kernel_size - 1) * dilation
        conv = nn.Conv1d(in_channels, out_channels, kernel_size, dilation=dilation)
        nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
        if conv.bias is not None:
            nn.init.zeros_(conv.bias)
        self.conv = weight_norm(conv)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T) -> (B, C', T)."""
        return self.conv(F.pad(x, (self.reach, 0)))

    def __reduce__(self) -> tuple[Any, ...]:
        """For pickle and copy: torch hands on a weight-normalised module as its weights alone."""
        conv = self.conv
        sizes = (conv.in_channels, conv.out_channels, conv.kernel_size[0], conv.dilation[0])
        return _rebuilt, (sizes, self.state_dict(), self.training)


def _rebuilt(sizes: tuple[int, int, int, int], state: dict[str, Tensor], training: bool) -> CausalConv1d:
    conv = CausalConv1d(*sizes)
    conv.load_state_dict(state)
    return conv.to(next(iter(state.values()))).train(training)


class TemporalBlock(nn.Module):
    """Two causal convolutions of one dilation around a residual connection (Bai et al. 2018, Figure 1b)."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, dilation: int, dropout: float
    ) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            CausalConv1d(in_channels, out_channels, kernel_size, dilation),
            nn.ReLU(),
            nn.Dropout(dropout),
            CausalConv1d(out_channels, out_channels, kernel_size, dilation),
            nn.ReLU(),
            nn.Dropout(dropout),
        )
        same_width = in_channels == out_channels
        self.shortcut = nn.Identity() if same_width else nn.Conv1d(in_channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T) -> (B, C', T)."""
        return F.relu(self.branch(x) + self.shortcut(x))


class TemporalConvNet(nn.Module):
    """Stack of residual blocks whose dilation doubles from block to block: 1, 2, 4, ...

    Output at step t depends on steps t - receptive_field + 1 .. t and on nothing later.

    Args:
        in_channels: C, features per time step.
        channels: output channels of each block; the last is C'.
        kernel_size: K of Eq. 4.
        dropout: probability, after each convolution.

    Raises:
        EmofuseError: if there is no block, or the kernel has no tap.
    """

    def __init__(
        self, in_channels: int, channels: Sequence[int], kernel_size: int = 3, dropout: float = 0.3
    ) -> None:
        super().__init__()
        if not channels or min(channels) < 1:
            raise EmofuseError(
                f"a temporal convolutional network needs positive channels, not {list(channels)}"
            )
        if kernel_size < 1:
            raise EmofuseError(
                f"the kernel of a temporal convolutional network is 1 or more, not {kernel_size}"
            )
        self.kernel_size = kernel_size
        widths = [in_channels, *channels]
        self.blocks = nn.ModuleList(
            TemporalBlock(widths[i], widths[i + 1], kernel_size, 2**i, dropout) for i in range(len(channels))
        )

    @property
    def receptive_field(self) -> int:
        """Time steps that one output sees: 1 + 2·(K - 1)·(2^blocks - 1)."""
        return 1 + 2 * (self.kernel_size - 1) * (2 ** len(self.blocks) - 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T) -> (B, C', T)."""
        for block in self.blocks:
            x = block(x)
        return x
