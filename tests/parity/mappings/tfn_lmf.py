"""thuiar/MMSA, TFN.py and LMF.py: a regression within -3 to 3 (TFN), sound and pictures as one step."""

from typing import Any

import numpy as np
import torch
from torch import nn

from emofuse.models.lmf import LMF, LMFConfig
from emofuse.models.tfn import TFN, TFNConfig
from tests.parity.loader import tensors

SYSTEMS = ("tfn", "lmf")


def build(settings: dict[str, Any]) -> nn.Module:
    (text, audio, video), (text_hidden, audio_hidden, video_hidden) = (
        settings["feature_dims"],
        settings["hidden_dims"],
    )
    regression = settings["train_mode"] == "regression"
    common = {
        "task": settings["train_mode"],
        "num_classes": None if regression else settings["num_classes"],
        "text_dim": text,
        "audio_dim": audio,
        "video_dim": video,
        "text_hidden": text_hidden,
        "audio_hidden": audio_hidden,
        "video_hidden": video_hidden,
        "dropout": 0.0,
    }
    if "rank" in settings:
        return LMF(LMFConfig(**common, text_out=text_hidden // 2, rank=settings["rank"]))
    return TFN(
        TFNConfig(
            **common,
            text_out=settings["text_out"],
            fusion_dim=settings["post_fusion_dim"],
            fusion_dropout=0.0,
            value_range=(-3.0, 3.0) if regression else None,
        )
    )


def state_dict(weights: dict[str, np.ndarray], settings: dict[str, Any]) -> dict[str, torch.Tensor]:
    names = {f"{m}_subnet": f"subnetworks.{m}" for m in ("text", "audio", "video")}
    names |= {f"post_fusion_layer_{n}": f"linear_{n}" for n in (1, 2, 3)}
    names |= {f"{m}_factor": f"factors.{m}" for m in ("text", "audio", "video")}
    names |= {"fusion_weights": "rank_weights", "fusion_bias": "bias"}
    kept = {n: w for n, w in weights.items() if n not in ("output_range", "output_shift")}
    return tensors(kept, names)


def outputs(
    network: nn.Module, inputs: dict[str, np.ndarray], settings: dict[str, Any]
) -> dict[str, np.ndarray]:
    found = network(**{m: torch.from_numpy(inputs[m]) for m in ("text", "audio", "video")})
    return {"prediction": found.logits.numpy()}
