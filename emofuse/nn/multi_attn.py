"""MultiAttn: each modality fused with the others by bidirectional multi-head cross-attention."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from emofuse.nn.dialogue_attention import AttentionLayer
from emofuse.nn.stream_memory import StreamMemory


class MultiAttn(nn.Module):
    """MultiAttn-text, -audio and -visual, each N layers of three stages.

    Source: MFCRE §3.4 and Fig. 5. In a layer of modality m the query attends to the first other modality, the
    result to the second, then comes a feed-forward network; each stage is followed by a residual connection
    and layer normalisation. The query of the first layer is modality m, of each next layer the output of the
    one before; keys and values are always the other modalities' features as they came in.

    The other modalities are visited in the order of `modalities`: text before audio for visual, as in the
    paper. With two modalities a layer has one stage of attention, with one modality none.

    Args:
        dim: size of the features.
        modalities: which there are.
        layers: N.
        heads: attention heads.
        ff_dim: width of the feed-forward network.
        dropout: on attention weights and on each stage.
        causal: no utterance learns of later ones.
        window: utterances that attention reaches to each side; None is no limit.
    """

    def __init__(
        self,
        dim: int,
        modalities: Sequence[str] = ("text", "audio", "video"),
        layers: int = 2,
        heads: int = 4,
        ff_dim: int = 1024,
        dropout: float = 0.0,
        causal: bool = False,
        window: int | None = None,
    ) -> None:
        super().__init__()
        self.modalities = tuple(modalities)

        def stack() -> nn.ModuleList:
            others = len(self.modalities) - 1
            return nn.ModuleList(
                AttentionLayer(dim, others, heads, ff_dim, dropout, causal, window) for _ in range(layers)
            )

        self.stacks = nn.ModuleDict({m: stack() for m in self.modalities})

    def forward(
        self,
        features: Mapping[str, Tensor],
        present: Mapping[str, Tensor],
        memory: StreamMemory | None = None,
    ) -> dict[str, Tensor]:
        """Fuse.

        Args:
            features: for each modality (B, N, dim).
            present: for each modality (B, N) bool, where an utterance has it; padding has none.
            memory: what came before, for streams.

        Returns:
            the fused features f^m for each modality (B, N, dim).
        """
        fused = {}
        for m in self.modalities:
            others = [(features[n], present[n]) for n in self.modalities if n != m]
            f = features[m]
            layers: Sequence[nn.Module] = self.stacks[m]  # type: ignore[assignment]
            for layer in layers:
                f = layer(f, others, memory)
            fused[m] = f
        return fused
