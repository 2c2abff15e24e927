"""TaoShi1998/MultiEMO-ACL2023, Model/MultiAttn.py; the same block serves MFCRE."""

from typing import Any

import numpy as np
import torch

from emofuse.nn.multi_attn import MultiAttn

SYSTEMS = ("multiemo_multiattn",)
NAMES = {"text": "text", "audio": "audio", "visual": "video"}


def build(settings: dict[str, Any]) -> MultiAttn:
    return MultiAttn(
        settings["model_dim"],
        layers=settings["num_layers"],
        heads=settings["num_heads"],
        ff_dim=settings["hidden_dim"],
        dropout=settings["dropout_rate"],
    )


def state_dict(weights: dict[str, np.ndarray], settings: dict[str, Any]) -> dict[str, torch.Tensor]:
    """Their heads are layers of their own; here they are rows of one."""
    found: dict[str, torch.Tensor] = {}
    for theirs, ours in NAMES.items():
        for layer in range(settings["num_layers"]):
            place, own = f"multiattn_{theirs}.multiattn_layers.{layer}", f"stacks.{ours}.{layer}"
            for stage in (0, 1):
                attention, target = f"{place}.attn_{stage + 1}", f"{own}.attentions.{stage}"
                for kind in ("weight", "bias"):
                    q, k, v = (
                        torch.cat(
                            [
                                torch.from_numpy(
                                    weights[f"{attention}.attention_heads.{h}.{part}_matrix.{kind}"]
                                )
                                for h in range(settings["num_heads"])
                            ]
                        )
                        for part in ("query", "key", "value")
                    )
                    found[f"{target}.query.{kind}"] = q
                    found[f"{target}.key_value.{kind}"] = torch.cat([k, v])
                    found[f"{target}.out.{kind}"] = torch.from_numpy(
                        weights[f"{attention}.projection_matrix.{kind}"]
                    )
                    norm = weights[f"{place}.add_norm_{stage + 1}.layer_norm.{kind}"]
                    found[f"{own}.norms.{stage}.{kind}"] = torch.from_numpy(norm)
            for kind in ("weight", "bias"):
                found[f"{own}.feed_forward.0.{kind}"] = torch.from_numpy(
                    weights[f"{place}.ff.linear_W1.{kind}"]
                )
                found[f"{own}.feed_forward.3.{kind}"] = torch.from_numpy(
                    weights[f"{place}.ff.linear_W2.{kind}"]
                )
                norm = weights[f"{place}.add_norm_3.layer_norm.{kind}"]
                found[f"{own}.feed_forward_norm.{kind}"] = torch.from_numpy(norm)
    return found


def outputs(
    network: MultiAttn, inputs: dict[str, np.ndarray], settings: dict[str, Any]
) -> dict[str, np.ndarray]:
    features = {m: torch.from_numpy(inputs[m]) for m in ("text", "audio", "video")}
    present = {m: torch.ones(x.shape[:2], dtype=torch.bool) for m, x in features.items()}
    return {m: x.numpy() for m, x in network(features, present).items()}
