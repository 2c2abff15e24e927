"""declare-lab/conv-emotion, DialogueRNN: BiModel, with attention over the emotion states."""

from typing import Any

import numpy as np
import torch

from emofuse.models.dialogue_rnn import DialogueRNN, DialogueRNNConfig
from tests.parity.loader import tensors

SYSTEMS = ("dialogue_rnn", "dialogue_rnn_listener")


def build(settings: dict[str, Any]) -> DialogueRNN:
    return DialogueRNN(
        DialogueRNNConfig(
            num_classes=settings["n_classes"],
            modalities=("text",),
            text_dim=settings["D_m"],
            global_dim=settings["D_g"],
            party_dim=settings["D_p"],
            emotion_dim=settings["D_e"],
            dense=2 * settings["D_h"],
            listener=settings["listener_state"],
            context_attention=settings["context_attention"],
            alpha_dim=settings["D_a"],
            recurrent_dropout=settings["dropout_rec"],
            dropout=settings["dropout"],
            state_dropout=0.0,
        )
    )


def state_dict(weights: dict[str, np.ndarray], settings: dict[str, Any]) -> dict[str, torch.Tensor]:
    names = {"linear": "dense", "smax_fc": "classifier", "matchatt": "encoder.attention"}
    for theirs, ours in (("dialog_rnn_f", "encoder.forwards"), ("dialog_rnn_r", "encoder.backwards")):
        cell = f"{theirs}.dialogue_cell"
        names[cell] = ours
        for short, long in (("g", "global"), ("p", "party"), ("l", "listener"), ("e", "emotion")):
            names[f"{cell}.{short}_cell"] = f"{ours}.{long}_cell"
        names[f"{cell}.attention.vector_prod"] = f"{ours}.attention.vector"
        names[f"{cell}.attention.scalar"] = f"{ours}.attention.vector"
    return tensors(weights, names)


def outputs(
    network: DialogueRNN, inputs: dict[str, np.ndarray], settings: dict[str, Any]
) -> dict[str, np.ndarray]:
    found = network(
        text=torch.from_numpy(inputs["features"]).transpose(0, 1),
        mask=torch.from_numpy(inputs["mask"]).bool(),
        speakers=torch.from_numpy(inputs["speakers"]).argmax(-1).transpose(0, 1),
    )
    return {"log_probabilities": found.logits.log_softmax(-1).transpose(0, 1).numpy()}
