"""Graphs of all dialogues of a batch at once: who is a node, and who is joined to whom.

Nodes are the places where a mask is true, numbered in the order of the mask's elements. So ``x[mask]`` are their features, and
edges (2, E) hold sources in their first row and targets in their second, as torch-geometric has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor


def node_numbers(mask: Tensor) -> Tensor:
    """Number of each node, in the shape of the mask; -1 where there is none."""
    numbers = mask.flatten().cumsum(0).view_as(mask) - 1
    return numbers.masked_fill(~mask, -1)


def pairs_in_windows(
    mask: Tensor, past: int | None = None, future: int | None = None, sources: Tensor | None = None
) -> Tensor:
    """(3, E): row, target i and source j of all pairs of nodes of one row with i - past ≤ j ≤ i + future; i = j is one.

    Args:
        mask: (B, N) bool, the nodes of each row.
        past: None for no limit.
        future: None for no limit.
        sources: (B, N) bool, what may be a source, where that is not ``mask`` itself.
    """
    reach = mask.shape[1] - 1
    before = reach if past is None else min(past, reach)
    after = reach if future is None else min(future, reach)
    lags = torch.arange(-before, after + 1, device=mask.device)
    places = torch.arange(mask.shape[1], device=mask.device).unsqueeze(1) + lags
    inside = (places >= 0) & (places <= reach)
    places = places.clamp(0, reach)
    joined = mask.unsqueeze(2) & (mask if sources is None else sources)[:, places] & inside
    rows, targets, lag = joined.nonzero(as_tuple=True)
    return torch.stack([rows, targets, places[targets, lag]])


def edges_of(pairs: Tensor, mask: Tensor) -> Tensor:
    """(2, E) of the `pairs_in_windows` of a mask (B, N)."""
    numbers = node_numbers(mask)
    rows, targets, sources = pairs
    return torch.stack([numbers[rows, sources], numbers[rows, targets]])


def links_between_modalities(present: Tensor) -> Tensor:
    """(4, E): modality of the target, that of the source, row and place, of all pairs of nodes of one utterance.

    Args:
        present: (M, B, N) bool, the nodes.
    """
    others = ~torch.eye(present.shape[0], dtype=torch.bool, device=present.device)
    joined = present.unsqueeze(0) & present.unsqueeze(1) & others[:, :, None, None]
    return torch.stack(joined.nonzero(as_tuple=True))


def put_back(nodes: Tensor, mask: Tensor) -> Tensor:
    """(V, d) of the nodes to (*mask.shape, d), 0 where there is none."""
    padded = nodes.new_zeros(*mask.shape, nodes.shape[-1])
    padded[mask] = nodes
    return padded


@dataclass(frozen=True)
class ModalityGraph:
    """A node for each modality that an utterance has, of all dialogues of a batch.

    Attributes:
        present: (M, B, N) bool, the nodes.
        pairs: (3, E), row of M · B, target and source, of nodes of one modality and dialogue within a window of each other;
            a node and itself are one.
        links: (4, E), see `links_between_modalities`.
    """

    present: Tensor
    pairs: Tensor
    links: Tensor

    @property
    def within(self) -> Tensor:
        """(2, E), the edges of ``pairs``."""
        return edges_of(self.pairs, self.present.flatten(0, 1))

    @property
    def between(self) -> Tensor:
        """(2, E), the edges of ``links``."""
        numbers = node_numbers(self.present)
        targets, sources, rows, places = self.links
        return torch.stack([numbers[sources, rows, places], numbers[targets, rows, places]])

    def gather(self, features: Mapping[str, Tensor]) -> Tensor:
        """(V, d) of M features (B, N, d), in the order of ``present``."""
        return torch.stack(list(features.values()))[self.present]

    def put_back(self, nodes: Tensor) -> Tensor:
        """(V, d) to (M, B, N, d), 0 where a modality is absent."""
        return put_back(nodes, self.present)


def modality_graph(
    available: Mapping[str, Tensor], past: int | None = None, future: int | None = None
) -> ModalityGraph:
    """The graph of M modalities, each available (B, N) bool; windows as in `pairs_in_windows`."""
    present = torch.stack(list(available.values()))
    pairs = pairs_in_windows(present.flatten(0, 1), past, future)
    return ModalityGraph(present, pairs, links_between_modalities(present))
