"""Whose a folder of a fine-tuning is, and what the encoder in it has seen."""

from __future__ import annotations

import json
from pathlib import Path

from emofuse.data.atomic import write_text_aside
from emofuse.data.json_text import parse_json
from emofuse.data.manifest import Manifest
from emofuse.data.stored_files import is_there, stored_text
from emofuse.encoders.fine_tuning import read_fine_tuned
from emofuse.encoders.packaged import model_folder
from emofuse.encoders.spec import EncoderSpec
from emofuse.errors import EmofuseError
from emofuse.evaluation import Split
from emofuse.evaluation.protocols.same_utterances import utterance_marks
from emofuse.runs.corpus_identity import CorpusIdentity, claim_corpus


def claim_tuning(
    folder: Path, spec: EncoderSpec, manifest: Manifest, split: Split, seed: int, resume: bool
) -> None:
    """Take the folder for these settings on these data, or see that it was taken for the same."""
    asked = {
        "encoder": spec.model_dump(mode="json"),
        "seed": seed,
        "data": manifest.fingerprint(),
        "train": list(split.train),
        "val": list(split.val),
    }
    path = folder / "finetune.json"
    text = json.dumps(asked, ensure_ascii=False, indent=1) + "\n"
    if not is_there(path):
        if read_fine_tuned(folder) is not None or (folder / "config.json").exists():
            raise EmofuseError(f"{folder}: holds a model already; choose another folder")
        CorpusIdentity.of(manifest).write(folder)
        write_text_aside(path, text)
        return
    if not resume:
        raise EmofuseError(
            f"{folder}: holds a fine-tuning already; choose another folder, or add --resume to take it up"
        )
    held = stored_text(path, "choose another folder")
    claim_corpus(folder, manifest, () if held == text else _fingerprints(held))
    if _with_defaults(held) != asked:
        raise EmofuseError(
            f"{path}: the fine-tuning to resume was started with other settings or another split; repeat them or choose "
            "a new folder"
        )


def _with_defaults(claim: str) -> object:
    """A claim of an earlier version lacks the settings that came later; they have their defaults."""
    try:
        held = parse_json(claim)
        return {**held, "encoder": EncoderSpec.model_validate(held["encoder"]).model_dump(mode="json")}
    except (ValueError, KeyError, TypeError):
        return None


def _fingerprints(claim: str) -> list[str]:
    """That of the corpus that a claim names, as far as it can be read."""
    try:
        return [str(parse_json(claim)["data"])]
    except (ValueError, KeyError, TypeError):
        return []


def seen_by_base(spec: EncoderSpec) -> list[str]:
    """What the base was fitted to, where emofuse fine-tuned that too."""
    base = read_fine_tuned(model_folder(spec.name))
    return base.seen if base is not None else []


def marks_seen(manifest: Manifest, split: Split) -> list[str]:
    """Marks of the training and the validation part, without those that other utterances carry too."""
    fitted = {*split.train, *split.val}
    marks = utterance_marks(manifest, manifest.ids)
    seen, others = (
        set().union(*(those for id, those in marks.items() if (id in fitted) == inside))
        for inside in (True, False)
    )
    return sorted(seen - others)
