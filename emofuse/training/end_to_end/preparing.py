"""From a run's settings to the encoders that learn in it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import nn

from emofuse.data import Modality
from emofuse.data.manifest import Manifest
from emofuse.data.quarantine import Quarantine
from emofuse.encoders import EncoderSpec
from emofuse.encoders.factory import as_fine_tuned
from emofuse.encoders.lower_layers import LowerLayers
from emofuse.encoders.pretrained import load_model, locate
from emofuse.encoders.text_reader import TextInput, TextReader
from emofuse.encoders.transformer_parts import (
    check_layers_left,
    embeddings_of,
    layers_place,
    transformer_layers,
)
from emofuse.errors import EmofuseError
from emofuse.features import FeatureReader, FeatureStore, extract_features
from emofuse.features.dialogue_context import texts_in_context
from emofuse.models import model_info
from emofuse.runs.corpus import Progress
from emofuse.runs.features import feature_store_of
from emofuse.runs.modalities import IMPORTED, EncodedModality
from emofuse.runs.settings import RunSettings
from emofuse.training.end_to_end.encoder import CutNetwork, JointEncoder
from emofuse.training.end_to_end.sounds import speech_encoder
from emofuse.training.end_to_end.system import JointSystem, Places
from emofuse.training.end_to_end.texts import JointTextEncoder, TokenTable
from emofuse.training.processes import is_torchrun

_CHECKED = 4  # utterances whose features are compared
_CLOSE = 1e-3  # of features of about 1


def check_end_to_end(settings: RunSettings, specs: Mapping[Modality, EncoderSpec]) -> None:
    """Refuse what cannot be learnt together, before long work.

    Raises:
        EmofuseError: an encoder is to learn whose features are imported, cross-fitted, standardised by speaker, changed
            copies of sounds, or mixed.
    """
    for modality, spec in specs.items():
        if spec.end_to_end is None:
            continue
        where = f"setting encoders.{modality}.end_to_end"
        if spec.name == IMPORTED:
            raise EmofuseError(f"{where}: features that were imported have no encoder to learn; leave it out")
        if spec.finetune is not None and spec.finetune.cross_fit is not None:
            raise EmofuseError(
                f"{where}: one encoder learns, and cross_fit makes several; leave one of the two out"
            )
        if settings.data.normalise.get(modality, "none") != "none":
            raise EmofuseError(
                f"{where}: features that change cannot be standardised by speaker; leave out data.normalise"
            )
        if modality == "audio" and settings.data.augment.copies:
            raise EmofuseError(
                f"{where}: copies of sounds are made before the training; set data.augment.copies=0"
            )
        if modality == "audio" and settings.devices > 1 and not is_torchrun():
            raise EmofuseError(
                f"{where}: a speech model that learns cannot be handed to other processes; start them with torchrun, or leave "
                "out devices"
            )
        if settings.optimiser.mixup:
            raise EmofuseError(f"{where}: what an encoder reads cannot be mixed; leave out optimiser.mixup")


def without_end_to_end(specs: Mapping[Modality, EncoderSpec]) -> dict[Modality, EncoderSpec]:
    """The same encoders as they are before the training."""
    return {modality: spec.model_copy(update={"end_to_end": None}) for modality, spec in specs.items()}


def join_encoders(
    settings: RunSettings,
    manifest: Manifest,
    specs: Mapping[Modality, EncoderSpec],
    encoded: Mapping[Modality, EncodedModality],
    system: nn.Module,
    device: str,
    quarantine: Quarantine,
    progress: Progress | None,
) -> JointSystem | None:
    """The system with the encoders in front that are to learn with it; None where none are.

    Args:
        settings: of the run.
        manifest: the corpus.
        specs: modality → encoder, with ``end_to_end`` where it is to learn.
        encoded: features as the encoders make them before; what has none is absent in training too.
        system: with its scalers fitted on them.
        device: where frozen layers are run.
        quarantine: notes what they cannot encode.
        progress: called with (done, total, what).

    Raises:
        EmofuseError: an encoder's parts are not where they usually are, or nothing of it is left to learn.
    """
    store, workers = feature_store_of(settings, manifest), settings.data.workers
    encoders: dict[Modality, JointEncoder] = {}
    places: dict[Modality, Places] = {}
    for modality, spec in specs.items():
        if spec.end_to_end is None:
            continue
        held = [row.id for row in manifest.rows() if row.id in encoded[modality].reader]
        vectors = model_info(system).takes(modality) == "vector"
        if modality == "audio":
            encoder: JointEncoder = speech_encoder(
                spec, manifest, held, vectors, settings.data.longest_sequence
            )
        else:
            longest = (
                None if vectors else getattr(system.config, "text_length", settings.data.longest_sequence)
            )
            extract = _Extraction(store, device, workers, quarantine, progress)
            encoder = _text_encoder(spec, manifest, held, vectors, longest, extract)
        _check_same(spec, encoder, encoded[modality], held)
        encoders[modality] = encoder
        places[modality] = Places({id: number for number, id in enumerate(held)})
    return JointSystem(system, encoders, places) if encoders else None


class _Extraction:
    """How the states of frozen layers come into the feature store."""

    def __init__(
        self,
        store: FeatureStore,
        device: str,
        workers: int,
        quarantine: Quarantine,
        progress: Progress | None,
    ) -> None:
        self.store, self.device, self.workers = store, device, workers
        self.quarantine, self.progress = quarantine, progress

    def states(self, spec: EncoderSpec, count: int, manifest: Manifest, ids: list[str]) -> FeatureReader:
        encoder = LowerLayers(spec, count, self.device)
        extract_features(
            manifest,
            encoder,
            self.store,
            quarantine=self.quarantine,
            workers=self.workers,
            progress=self.progress,
            only=set(ids),
        )
        return self.store.reader(encoder.identity)


def _text_encoder(
    spec: EncoderSpec,
    manifest: Manifest,
    held: list[str],
    vectors: bool,
    longest: int | None,
    extract: _Extraction,
) -> JointTextEncoder:
    settings = spec.end_to_end
    assert settings is not None
    spec = as_fine_tuned(spec.model_copy(update={"end_to_end": None}))
    source = locate(spec.name, spec.revision)
    network = load_model(source, "cpu", torch.float32)
    reader = TextReader(spec, source, network)
    inputs = _inputs(reader, manifest, held)
    states = None
    cut = None
    if settings.freeze_layers:
        _check_layers(spec, network, settings.freeze_layers)
        states = extract.states(spec, settings.freeze_layers, manifest, held)
        cut = CutNetwork(network, settings.freeze_layers)
    elif settings.freeze_front:
        embeddings_of(network).requires_grad_(False)
        network.get_input_embeddings().requires_grad_(False)
    _set_up(network, settings.dropout)
    table = TokenTable(reader, inputs, held, states)
    return JointTextEncoder(
        network, settings, table, vectors=vectors, layers=spec.layers, cut=cut, longest=longest
    )


def _inputs(reader: TextReader, manifest: Manifest, held: list[str]) -> list[TextInput]:
    """Tokens of some utterances, with their dialogues where the encoder reads those."""
    if reader.context is not None:
        texts = texts_in_context(manifest.rows(), reader.context)
        return reader.inputs([texts[id] for id in held])
    return reader.inputs([manifest.utterance(id).text or "" for id in held])


def _check_layers(spec: EncoderSpec, network: nn.Module, frozen: int) -> None:
    count = len(transformer_layers(network))
    if layers_place(network) is None or not isinstance(getattr(network, "embeddings", None), nn.Module):
        raise EmofuseError(
            f"encoder {spec.name}: it is not known where its layers begin; leave freeze_layers out"
        )
    check_layers_left(spec.name, frozen, count)
    for layer in spec.layers or ():
        if (layer if layer >= 0 else count + 1 + layer) < frozen:
            raise EmofuseError(
                f"encoder {spec.name}: layer {layer} lies below the {frozen} that are frozen; freeze fewer, or leave it out "
                "of layers"
            )


def _set_up(network: nn.Module, dropout: float | None) -> None:
    """What nothing depends on does not learn, and dropout is what the settings say."""
    for name, parameter in network.named_parameters():
        if name.startswith("pooler."):
            parameter.requires_grad_(False)
    if dropout is not None:
        for module in network.modules():
            if isinstance(module, nn.Dropout):
                module.p = dropout


def _check_same(spec: EncoderSpec, encoder: JointEncoder, encoded: EncodedModality, held: list[str]) -> None:
    """See that the encoder gives, before it has learnt, what the encoder gave whose features the system was scaled by.

    Raises:
        EmofuseError: it does not, as where a class of models does something between its layers that is not known here.
    """
    some = [int(place) for place in np.linspace(0, len(held) - 1, min(_CHECKED, len(held)))]
    encoder.eval()
    with torch.no_grad():
        steps, real = encoder(torch.tensor(some, dtype=torch.long))
    for row, place in enumerate(some):
        wanted = np.atleast_2d(encoded.reader[held[place]])
        found = steps[row][real[row]].numpy()
        same = len(found) <= len(wanted) and np.allclose(
            found, wanted[: len(found)], atol=_CLOSE, rtol=_CLOSE
        )
        if not same:
            raise EmofuseError(
                f"encoder {spec.name}: a {type(encoder.network).__name__} cannot learn end to end here, since its parts do "
                "not give what it gives as a whole; leave out freeze_layers, or fine-tune it first (finetune)"
            )
    encoder.train()
