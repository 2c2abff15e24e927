"""A deep convolution over a graph with gates between its layers, as MM-DFN has it."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn
from torch.nn import functional as F

from emofuse.nn.geometric import geometric


class DynamicFusion(nn.Module):
    """Layers of GCNII in whose way an LSTM cell stands, each node being a sequence of layers to it.

    Source: MM-DFN (Hu et al. 2022), §2.3. From H^(0), with g and C the cell's states, 0 at first:

    - update, forget and output gates Γ = σ(W [H^(k-1); g^(k-1)] + b), C^(k) = Γ_f C^(k-1) + Γ_u tanh(W [H^(k-1); g^(k-1)] + b),
      g^(k) = Γ_o tanh(C^(k))
    - H^(k) = H^(k-1) + ReLU(((1 - α) P̃ g^(k) + α H^(0)) ((1 - β_k) I + β_k W^(k))), with β_k = log(ρ / k + 1)

    Args:
        dim: of a node, before and after.
        layers: how many.
        alpha: α.
        rho: ρ.
        dropout: on H^(0) as the layers read it, and on what each layer adds.
    """

    def __init__(self, dim: int, layers: int, alpha: float, rho: float, dropout: float = 0.0) -> None:
        super().__init__()
        convolution = geometric("nn").GCN2Conv
        self.gates = nn.LSTMCell(dim, dim)
        self.layers = nn.ModuleList(
            convolution(dim, alpha, rho, layer, normalize=False, add_self_loops=False)
            for layer in range(1, layers + 1)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, first: Tensor, edges: Tensor, weights: Tensor) -> Tensor:
        """(V, dim) of H^(0) (V, dim), edges (2, E) and their weights in P̃, (E,)."""
        h = self.dropout(first)
        g = c = first.new_zeros(first.shape)
        for layer in self.layers:
            g, c = self.gates(h, (g, c))
            h = h + self.dropout(F.relu(layer(g, first, edges, weights)))
        return cast(Tensor, h)
