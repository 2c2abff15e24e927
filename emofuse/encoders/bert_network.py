"""BERT's encoder (Devlin et al. 2019, after Vaswani et al. 2017) as a network of torch, for predictions alone.

It has the names and says the numbers of transformers' ``BertModel``, whose import takes longer than most predictions.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import safe_open
from torch import Tensor, nn
from torch.nn import functional as F

from emofuse.encoders.plain_checkpoint import empty_network, stored_config, weights_file
from emofuse.errors import EmofuseError

_PLAIN = {
    "model_type": "bert",
    "hidden_act": "gelu",
    "position_embedding_type": "absolute",
    "is_decoder": False,
    "add_cross_attention": False,
}


@dataclass(frozen=True)
class BertConfig:
    """What a network's config.json says of its shape; names as there."""

    vocab_size: int
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int
    max_position_embeddings: int
    type_vocab_size: int = 2
    pad_token_id: int | None = 0
    layer_norm_eps: float = 1e-12
    model_type: str = "bert"
    is_encoder_decoder: bool = False


@dataclass(frozen=True)
class BertOutput:
    """(B, T, d) of the last layer, and of what the layers read and each of them says."""

    last_hidden_state: Tensor
    hidden_states: list[Tensor] = field(default_factory=list)


class BertNetwork(nn.Module):
    """Tokens (B, T) → states (B, T, d); without dropout, for predictions.

    Args:
        config: see `BertConfig`.
    """

    main_input_name = "input_ids"

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.config = config
        d, eps = config.hidden_size, config.layer_norm_eps
        self.embeddings = nn.ModuleDict(
            {
                "word_embeddings": _table(config.vocab_size, d),
                "position_embeddings": _table(config.max_position_embeddings, d),
                "token_type_embeddings": _table(config.type_vocab_size, d),
                "LayerNorm": nn.LayerNorm(d, eps),
            }
        )
        layers = nn.ModuleList(BertLayer(config) for _ in range(config.num_hidden_layers))
        self.encoder = nn.ModuleDict({"layer": layers})

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return next(self.parameters()).device

    def get_input_embeddings(self) -> nn.Module:
        """One vector for each word of the vocabulary."""
        return self.embeddings["word_embeddings"]

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        token_type_ids: Tensor | None = None,
        output_hidden_states: bool = False,
    ) -> BertOutput:
        """Read B texts.

        Args:
            input_ids: (B, T).
            attention_mask: (B, T), 0 at padding.
            token_type_ids: (B, T); 0 by default.
            output_hidden_states: keep what every layer says.
        """
        parts = self.embeddings
        types = torch.zeros_like(input_ids) if token_type_ids is None else token_type_ids
        places = torch.arange(input_ids.shape[1], device=input_ids.device)
        x = parts["word_embeddings"](input_ids) + parts["token_type_embeddings"](types)
        x = parts["LayerNorm"](x + parts["position_embeddings"](places))
        states, seen = [x], attention_mask.bool()[:, None, None, :]
        for layer in cast(nn.ModuleList, self.encoder["layer"]):
            x = layer(x, seen)
            states.append(x)
        return BertOutput(x, states if output_hidden_states else [])


class BertLayer(nn.Module):
    """Attention and a feed-forward network, each added to what it reads and normalised."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        d, wide, eps = config.hidden_size, config.intermediate_size, config.layer_norm_eps
        if d % config.num_attention_heads:
            raise ValueError(f"a size of {d} cannot be split among {config.num_attention_heads} heads")
        heard = nn.ModuleDict({name: nn.Linear(d, d) for name in ("query", "key", "value")})
        self.attention = nn.ModuleDict({"self": heard, "output": _output(d, d, eps)})
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(d, wide)})
        self.output = _output(wide, d, eps)
        self.heads = config.num_attention_heads

    def forward(self, x: Tensor, seen: Tensor) -> Tensor:
        """(B, T, d) of (B, T, d); ``seen`` (B, 1, 1, T) bool says which tokens there are."""
        heard: Any = self.attention["self"]
        q, k, v = (
            heard[name](x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for name in ("query", "key", "value")
        )
        found = F.scaled_dot_product_attention(q, k, v, attn_mask=seen).transpose(1, 2).flatten(2)
        x = _added(self.attention["output"], found, x)
        return _added(self.output, F.gelu(self.intermediate["dense"](x)), x)


def _table(count: int, d: int) -> nn.Embedding:
    # Drawn at random on the meta device it would import torch's compiler, for numbers that are thrown away.
    return nn.Embedding.from_pretrained(torch.empty(count, d), freeze=False)


def _output(inputs: int, d: int, eps: float) -> nn.ModuleDict:
    return nn.ModuleDict({"dense": nn.Linear(inputs, d), "LayerNorm": nn.LayerNorm(d, eps)})


def _added(output: Any, found: Tensor, x: Tensor) -> Tensor:
    normalised: Tensor = output["LayerNorm"](output["dense"](found) + x)
    return normalised


def is_plain_bert(folder: Path) -> bool:
    """Whether a model's folder holds a BERT as it was published, in one file of safetensors."""
    config = stored_config(folder)
    return config is not None and all(
        config.get(key, value if key != "model_type" else None) == value for key, value in _PLAIN.items()
    )


def read_bert(folder: Path) -> BertNetwork:
    """The network of a folder for which `is_plain_bert` holds, in evaluation mode; a pooler or head is left out.

    Raises:
        EmofuseError: its files are damaged, or hold other weights than its configuration says.
    """
    network = empty_network(folder, BertConfig, BertNetwork)
    with weights_file(folder) as file, safe_open(file, "pt") as opened:
        held = set(opened.keys())
        prefix = "" if "embeddings.word_embeddings.weight" in held else "bert."
        wanted = {name: prefix + name for name in network.state_dict()}
        if missing := sorted(set(wanted.values()) - held):
            raise EmofuseError(
                f"encoder {folder}: {len(missing)} weights are missing, {missing[0]} among them; "
                "the checkpoint is not one of BertModel"
            )
        network.load_state_dict(
            {name: opened.get_tensor(theirs) for name, theirs in wanted.items()}, assign=True
        )
    return network.eval().requires_grad_(False)
