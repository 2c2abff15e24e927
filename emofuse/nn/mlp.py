"""Multilayer perceptron: early fusion, projection heads and classifiers are made of it."""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn


class MLP(nn.Module):
    """Linear layers with ReLU and dropout between them; the last layer is linear.

    Layers before a ReLU start with He et al.'s (2015) variance, so that the first steps of training see the
    input through any number of them.

    Args:
        widths: from the input's to the output's, at least two.
        dropout: probability, after each ReLU.
    """

    def __init__(self, widths: Sequence[int], dropout: float = 0.0) -> None:
        super().__init__()
        if len(widths) < 2:
            raise ValueError(f"an MLP needs an input and an output width, got {list(widths)}")
        layers: list[nn.Module] = []
        for before, after in pairwise(widths[:-1]):
            linear = nn.Linear(before, after)
            nn.init.kaiming_normal_(linear.weight, nonlinearity="relu")
            nn.init.zeros_(linear.bias)
            layers += [linear, nn.ReLU(), nn.Dropout(dropout)]
        layers.append(nn.Linear(widths[-2], widths[-1]))
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """(..., widths[0]) -> (..., widths[-1])."""
        return self.layers(x)
