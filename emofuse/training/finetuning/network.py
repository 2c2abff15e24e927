"""A pretrained encoder with a classifier on its pooled states, as one of the library's own classes.

Pictures go through an image classifier, and the logits of an utterance's pictures are averaged, as their features are
later. Text is a token classifier whose logits are averaged over the tokens that are pooled (a linear classifier of the
mean is the mean of the tokens' logits); speech is a sequence classifier, which pools under its mask. So what is
saved is a folder that the library reads, head included, and the features that stage 2 extracts from it are what
the head has seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn
from transformers import (
    AutoModelForAudioClassification,
    AutoModelForImageClassification,
    AutoModelForTokenClassification,
)

from emofuse.data.modality import Modality
from emofuse.data.wording import counted
from emofuse.encoders.compact import add_difference
from emofuse.encoders.face_cnn import FaceCnnConfig, FaceCnnForImageClassification
from emofuse.encoders.fine_tuning import FineTuneSettings
from emofuse.encoders.pretrained import Source, guarded, load_config
from emofuse.encoders.spec import FACE_CNN, VOICE_CNN
from emofuse.encoders.transformer_parts import embeddings_of, refuse_missing_weights, transformer_layers
from emofuse.encoders.voice_cnn import MODEL_TYPE as VOICE_TYPE
from emofuse.encoders.voice_cnn import VoiceCnnConfig, VoiceCnnForAudioClassification
from emofuse.errors import EmofuseError
from emofuse.training.finetuning.batches import TuningBatch

# Weights that fine-tuning makes anew, or that nothing depends on.
_HEADS = ("classifier.", "score.", "projector.", "dropout.", "pooler.")
_UNUSED = ("masked_spec_embed",)
_AUTO: Mapping[Modality, Any] = MappingProxyType(
    {
        "text": AutoModelForTokenClassification,
        "audio": AutoModelForAudioClassification,
        "video": AutoModelForImageClassification,
    }
)


class UtteranceClassifier(nn.Module):
    """``network`` as a classifier of utterances.

    Args:
        network: one of the library's token classifiers (text), audio classifiers or image classifiers.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, batch: TuningBatch) -> Tensor:
        """(B, C) logits, in float32."""
        inputs = dict(batch.inputs)
        shares = inputs.pop("shares", None)
        logits: Tensor = self.network(**inputs).logits.float()
        if shares is not None:
            return shares @ logits
        if batch.pooled is None:
            return logits
        weights = batch.pooled.unsqueeze(-1).float()
        return (logits * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1.0)

    def head_names(self) -> set[str]:
        """Names of the parameters that are not the encoder's."""
        encoder = f"network.{self.network.base_model_prefix}."
        return {name for name, _ in self.named_parameters() if not name.startswith(encoder)}


def load_classifier(
    source: Source | None, modality: Modality, labels: Sequence[str], settings: FineTuneSettings
) -> UtteranceClassifier:
    """The encoder of ``source`` with a new head for ``labels``, in float32, frozen as ``settings`` has it.

    Without a source it is a :class:`~emofuse.encoders.face_cnn.FaceCnn` or a
    :class:`~emofuse.encoders.voice_cnn.VoiceCnn` that has learnt nothing yet.

    Raises:
        EmofuseError: it cannot be had, is not of a class that can be fine-tuned here, or lacks what a setting
            asks for.
    """
    new: dict[Modality, tuple[str, Any, Any]] = {
        "video": (FACE_CNN, FaceCnnConfig, FaceCnnForImageClassification),
        "audio": (VOICE_CNN, VoiceCnnConfig, VoiceCnnForAudioClassification),
    }
    config = new[modality][1]() if source is None else load_config(source)
    config.id2label = dict(enumerate(labels))
    config.label2id = {label: number for number, label in enumerate(labels)}
    _configure(config, modality, settings, new[modality][0] if source is None else source.name)
    if source is None:
        name, _, made = new[modality]
        network = made(config)
        _freeze(network, modality, settings, name)
        return UtteranceClassifier(network)
    auto = _AUTO[modality]
    network, report = guarded(
        source,
        auto.from_pretrained,
        config=config,
        use_safetensors=True,
        dtype=torch.float32,
        ignore_mismatched_sizes=True,  # a head for other labels; anything else is refused below
        output_loading_info=True,
    )
    _check_loaded(network, report, source.name)
    if source.compact is not None:
        add_difference(network.base_model, source.compact)
    _freeze(network, modality, settings, source.name)
    if settings.gradient_checkpointing:
        # The library has renamed it; its older versions know the older name alone.
        getattr(network, "activation_checkpointing_enable", network.gradient_checkpointing_enable)()
    return UtteranceClassifier(network)


def _configure(config: Any, modality: Modality, settings: FineTuneSettings, name: str) -> None:
    if modality != "audio":
        speech: dict[str, Any] = {
            "layer_drop": settings.layer_drop,
            "spec_augment": settings.spec_augment or None,
        }
        asked = [setting for setting, value in speech.items() if value is not None]
        if asked:
            raise EmofuseError(
                f"encoder {name}: {asked[0]} is for speech models; leave it out for {modality}"
            )
    if settings.layer_drop is not None:
        config.layerdrop = settings.layer_drop
    if modality == "audio":
        config.apply_spec_augment = settings.spec_augment > 0
        config.mask_time_prob = settings.spec_augment
        config.mask_feature_prob = 0.0
    if settings.dropout is not None:
        names = ("hidden_dropout_prob", "hidden_dropout", "classifier_dropout", "final_dropout", "dropout")
        for setting in names:
            if hasattr(config, setting):
                setattr(config, setting, settings.dropout)


def _check_loaded(network: Any, report: dict[str, Any], name: str) -> None:
    encoder = f"{network.base_model_prefix}."
    changed = [*report["missing_keys"], *(key[0] for key in report["mismatched_keys"])]
    absent = [
        key
        for key in changed
        if key.startswith(encoder) and not key.removeprefix(encoder).startswith((*_HEADS, *_UNUSED))
    ]
    refuse_missing_weights(name, absent, network)


def _freeze(network: Any, modality: Modality, settings: FineTuneSettings, name: str) -> None:
    front = settings.freeze_front
    if (
        front is None
    ):  # the convolutions of a large speech model know speech; those of a small one have to learn it
        front = modality == "audio" and network.config.model_type != VOICE_TYPE
    if front and modality == "audio":
        network.freeze_feature_encoder()
    elif front and modality == "text":
        network.base_model.get_input_embeddings().requires_grad_(False)
        embeddings_of(network.base_model).requires_grad_(False)
    elif front:
        _picture_front(network.base_model, name).requires_grad_(False)
    layers = transformer_layers(network.base_model) if settings.freeze_layers else []
    if settings.freeze_layers > len(layers):
        raise EmofuseError(
            f"encoder {name}: freeze_layers {settings.freeze_layers} is more than its "
            f"{counted(len(layers), 'layer')}; freeze fewer"
        )
    for layer in list(layers)[: settings.freeze_layers]:
        layer.requires_grad_(False)


def _picture_front(encoder: Any, name: str) -> nn.Module:
    """What an image model makes of pixels before its layers."""
    for place in ("embeddings", "embedder", "stem"):
        found = getattr(encoder, place, None)
        if isinstance(found, nn.Module):
            return found
    raise EmofuseError(f"encoder {name}: freeze_front: it is not known what stands before its layers")
