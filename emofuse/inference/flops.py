"""How many floating-point operations a run's model takes for an utterance."""

from __future__ import annotations

import warnings

import torch
from torch.utils.flop_counter import FlopCounterMode

from emofuse.data.manifest import Manifest
from emofuse.errors import EmofuseError
from emofuse.inference.batches import dataset_of, rows_of
from emofuse.runs.features import readers_of
from emofuse.runs.run_folder import RunFolder

_ROWS = 8


def flops_per_utterance(folder: RunFolder, manifest: Manifest) -> float:
    """Count one batch on the CPU: up to eight test utterances of one dialogue.

    Matrix products, convolutions and attention are counted, a multiplication and an addition as two;
    encoders that made the features beforehand are not. Of a system that sees dialogues, turns that only stand
    around the utterances are part of the cost.

    Args:
        folder: a fitted run.
        manifest: its corpus, with its features in the store.

    Raises:
        EmofuseError: the utterances have nothing that the model takes.
    """
    record, settings = folder.read_record(), folder.read_settings()
    model = folder.load_model(record).eval()
    test = folder.read_split().test
    dialogue = manifest.utterance(test[0]).dialogue
    ids = [id for id in test if manifest.utterance(id).dialogue == dialogue][:_ROWS]
    rows, context = rows_of(manifest, ids, model)
    readers = readers_of(folder, record, manifest)
    dataset = dataset_of(rows, model, readers, settings.data, None, context)
    batch = dataset.collate([dataset[i] for i in range(len(dataset))])
    if not any(flags.any() for flags in batch.inputs["present"].values()):
        raise EmofuseError(f"{folder.path}: has no features to count with; run `emofuse evaluate` on it")
    # A recurrent layer of oneDNN is one opaque operation; without it, it is the products that it consists of.
    counter = FlopCounterMode(display=False)
    # Not inference_mode: the counter's hooks on modules with weight normalisation fail in it.
    with warnings.catch_warnings(), torch.no_grad():
        warnings.filterwarnings("ignore", message="TF32 acceleration")
        with torch.backends.mkldnn.flags(enabled=False), counter:
            model(**batch.inputs)
    return float(counter.get_total_flops()) / len(batch)
