"""butterfliesss/SDT, model.py."""

from typing import Any

import numpy as np
import torch

from emofuse.models.sdt import SDT, SDTConfig
from tests.parity.loader import tensors

SYSTEMS = ("sdt",)
LETTERS = {"t": "text", "a": "audio", "v": "video"}


def build(settings: dict[str, Any]) -> SDT:
    return SDT(
        SDTConfig(
            num_classes=settings["n_classes"],
            text_dim=settings["D_text"],
            audio_dim=settings["D_audio"],
            video_dim=settings["D_visual"],
            dim=settings["hidden_dim"],
            heads=settings["n_head"],
            layers=settings.get("n_layers", settings.get("layers", 1)),
            max_speakers=settings["n_speakers"],
            temperature=settings["temp"],
            dropout=settings["dropout"],
        )
    )


def state_dict(weights: dict[str, np.ndarray], settings: dict[str, Any]) -> dict[str, torch.Tensor]:
    names = {"speaker_embeddings": "speakers", "last_gate.fc": "last_gate", "all_output_layer": "classifier"}
    inside = {"self_attn.linear_q": "query", "self_attn.linear_k": "key", "self_attn.linear_v": "value"}
    inside |= {"self_attn.linear": "out", "feed_forward.w_1": "widen", "feed_forward.w_2": "narrow"}
    inside |= {"feed_forward.layer_norm": "feed_forward_norm", "layer_norm": "norm"}
    for a, source in LETTERS.items():
        names |= {f"{source}f_input": f"inputs.{source}", f"features_reduce_{a}": f"reduce.{source}"}
        names |= {f"{a}_output_layer.2": f"student_classifiers.{source}"}
        for b, query in LETTERS.items():
            names[f"{a}_{b}_gate.fc"] = f"gates.{source}_{query}"
            for layer in range(100):
                place = f"{a}_{b}.transformer_inter.{layer}"
                if not any(name.startswith(place + ".") for name in weights):
                    break
                ours = f"transformers.{source}_{query}.{layer}"
                names |= {f"{place}.{theirs}": f"{ours}.{own}" for theirs, own in inside.items()}
    names |= {"acouf_input": "inputs.audio", "visuf_input": "inputs.video"}
    kept = {name: value for name, value in weights.items() if not name.endswith("pos_emb.pe")}
    found = tensors(kept, names)
    return {name: value.squeeze(-1) if name.startswith("inputs.") else value for name, value in found.items()}


def outputs(network: SDT, inputs: dict[str, np.ndarray], settings: dict[str, Any]) -> dict[str, np.ndarray]:
    found = network(
        **{m: torch.from_numpy(inputs[m]).transpose(0, 1) for m in ("text", "audio", "video")},
        mask=torch.from_numpy(inputs["mask"]).bool(),
        speakers=torch.from_numpy(inputs["speakers"]).argmax(-1),
    )
    logits = {"log_probabilities": found.logits, **found.students}
    return {name: value.log_softmax(-1).numpy() for name, value in logits.items()}
