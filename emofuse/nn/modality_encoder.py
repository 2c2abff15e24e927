"""The modality encoder: every modality seen in the light of itself and of each other."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from emofuse.nn.dialogue_attention import AttentionLayer
from emofuse.nn.initialisation import xavier_
from emofuse.nn.stream_memory import StreamMemory


def sinusoidal_positions(
    start: int, length: int, dim: int, base: float, device: torch.device, dtype: torch.dtype
) -> Tensor:
    """Position embeddings of Vaswani et al. (2017) §3.5, (length, dim), for the places from `start` on.

    Their wavelengths go from 2π to 2π·base utterances. Nothing is tabulated, so no dialogue is too long.
    """
    places = torch.arange(start, start + length, dtype=torch.float64)
    pairs = math.ceil(dim / 2)
    rates = base ** (-torch.arange(pairs, dtype=torch.float64) / pairs)
    angles = places.unsqueeze(1) * rates
    waves = torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)[:, :dim]
    return waves.to(device=device, dtype=dtype)


class SharedSpace(nn.Module):
    """Conv1d over the utterances of one modality, plus position embeddings, into the shared feature space.

    Source: MFCRE §3.3, first paragraph and Fig. 4. Where an utterance lacks the modality, a learned vector
    stands for it, so that it can still ask the other modalities.

    Args:
        in_dim: size of the modality's features.
        dim: size of the shared space.
        kernel_size: utterances that the convolution spans; odd unless causal.
        base: longest wavelength of the position embeddings, over 2π.
        causal: the convolution looks back only.
        dropout: on the output.
    """

    def __init__(
        self,
        in_dim: int,
        dim: int,
        kernel_size: int = 3,
        base: float = 10_000.0,
        causal: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if not causal and kernel_size % 2 == 0:
            raise ValueError(f"kernel_size {kernel_size} has no middle; take an odd one")
        self.base, self.causal, self.span = base, causal, kernel_size - 1
        self.conv = nn.Conv1d(in_dim, dim, kernel_size)
        xavier_(self.conv)
        self.norm = nn.LayerNorm(dim)
        self.absent = nn.Parameter(torch.randn(dim) * 0.02)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, present: Tensor, memory: StreamMemory | None = None) -> Tensor:
        """Map (B, N, in_dim) to (B, N, dim); `present` (B, N) bool says where there is something to map."""
        batch, length, in_dim = x.shape
        x = x.masked_fill(~present.unsqueeze(-1), 0.0)
        start = 0
        left = self.span if self.causal else self.span // 2
        before = x.new_zeros(batch, left, in_dim)
        if memory is not None:
            held = memory.read(self)
            if held is not None:
                before, start = held[0], int(held[1])
            memory.write(self, torch.cat([before, x], 1)[:, length:], torch.tensor(start + length))
        after = x.new_zeros(batch, self.span - left, in_dim)
        mapped = self.conv(torch.cat([before, x, after], dim=1).transpose(1, 2)).transpose(1, 2)
        # Normalised, what is said counts for as much as where it is said from the first training step on.
        mapped = torch.where(present.unsqueeze(-1), self.norm(mapped), self.absent.to(mapped.dtype))
        places = sinusoidal_positions(start, length, mapped.shape[-1], self.base, mapped.device, mapped.dtype)
        return self.dropout(mapped + places)


class ModalityEncoder(nn.Module):
    """Shared space, then an intra- and the inter-modal Transformers of every modality.

    Source: MFCRE §3.3. For each modality m, H_m being its features in the shared space,

        H_{m→m} = Transformer(H_m, H_m, H_m)                    (4)
        H_{n→m} = Transformer(H_m, H_n, H_n)   for n ≠ m        (5)

    and the encoded modality is a linear map of the concatenation of its H_{n→m} over all n, back to `dim`.

    Args:
        in_dims: size of each modality's features; its order is the order of concatenation.
        dim: size of the shared space.
        heads: attention heads.
        ff_dim: width of the feed-forward networks.
        layers: layers of each Transformer. Deeper layers of an inter-modal one keep H_n as key and value.
        kernel_size: utterances that the convolution spans.
        base: longest wavelength of the position embeddings, over 2π.
        causal: no utterance learns of later ones.
        window: utterances that attention reaches to each side; None is no limit.
        dropout: everywhere.
    """

    def __init__(
        self,
        in_dims: Mapping[str, int],
        dim: int,
        heads: int = 4,
        ff_dim: int = 1024,
        layers: int = 1,
        kernel_size: int = 3,
        base: float = 10_000.0,
        causal: bool = False,
        window: int | None = None,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.modalities = tuple(in_dims)
        self.shared = nn.ModuleDict(
            {m: SharedSpace(size, dim, kernel_size, base, causal, dropout) for m, size in in_dims.items()}
        )

        def transformer() -> nn.ModuleList:
            return nn.ModuleList(
                AttentionLayer(dim, 1, heads, ff_dim, dropout, causal, window) for _ in range(layers)
            )

        self.transformers = nn.ModuleDict(
            {f"{n}_to_{m}": transformer() for m in self.modalities for n in self.modalities}
        )
        self.combine = nn.ModuleDict({m: nn.Linear(len(in_dims) * dim, dim) for m in self.modalities})
        xavier_(self.combine)

    def forward(
        self,
        features: Mapping[str, Tensor],
        present: Mapping[str, Tensor],
        memory: StreamMemory | None = None,
    ) -> dict[str, Tensor]:
        """Encode.

        Args:
            features: for each modality (B, N, in_dim).
            present: for each modality (B, N) bool, where an utterance has it; padding has none.
            memory: what came before, for streams.

        Returns:
            for each modality (B, N, dim).
        """
        H = {m: self.shared[m](features[m], present[m], memory) for m in self.modalities}
        encoded = {}
        for m in self.modalities:
            views = [self._transformer(n, m, H, present[n], memory) for n in self.modalities]
            encoded[m] = self.combine[m](torch.cat(views, dim=-1))
        return encoded

    def _transformer(
        self, n: str, m: str, H: Mapping[str, Tensor], present: Tensor, memory: StreamMemory | None
    ) -> Tensor:
        """H_{n→m}: what modality m draws from modality n."""
        layers: Sequence[nn.Module] = self.transformers[f"{n}_to_{m}"]  # type: ignore[assignment]
        z = H[m]
        for layer in layers:
            z = layer(z, [(z if n == m else H[n], present)], memory)
        return z
