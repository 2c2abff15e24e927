"""An encoder that has learnt with a system, as a folder in the run: what a prediction reads."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from emofuse.data import Modality
from emofuse.data.manifest import Manifest
from emofuse.encoders import EncoderSpec, create_encoder
from emofuse.encoders.factory import as_fine_tuned
from emofuse.encoders.fine_tuning import FineTunedRecord
from emofuse.encoders.pretrained import locate, revision_of
from emofuse.evaluation import Split
from emofuse.runs.run_folder import RunFolder
from emofuse.runs.run_record import EncoderRecord, EndToEndRecord, RunRecord, environment
from emofuse.runs.settings import RunSettings
from emofuse.training.end_to_end.sounds import JointSpeechEncoder
from emofuse.training.end_to_end.system import JointSystem, trained_parameters
from emofuse.training.end_to_end.texts import JointTextEncoder
from emofuse.training.finetuning.claims import marks_seen, seen_by_base
from emofuse.training.finetuning.saving import save_encoder


def keep_encoders(
    joint: JointSystem,
    record: RunRecord,
    specs: Mapping[Modality, EncoderSpec],
    settings: RunSettings,
    manifest: Manifest,
    split: Split,
    best_epoch: int,
    folder: RunFolder,
) -> RunRecord:
    """Save the encoders that have learnt, and say in the run's record that they are its encoders from now on.

    Each is a folder of transformers with the record of what it has seen, as fine-tuning leaves it, so that it is refused
    where another run would be judged on that.

    Raises:
        EmofuseError: a weight is not finite.
        OSError: the disk is full, or the like.
    """
    encoders = dict(record.encoders)
    for modality, encoder in joint.joint_encoders().items():
        spec = specs[modality]
        assert spec.end_to_end is not None
        learnt = trained_parameters(encoder)
        assert isinstance(encoder, JointTextEncoder | JointSpeechEncoder)
        place = folder.encoder_folder(modality)
        base = as_fine_tuned(spec.model_copy(update={"end_to_end": None}))
        source = locate(base.name, base.revision)
        network = encoder.saved_network()
        used = base.model_copy(update=encoder.reading())
        kept = FineTunedRecord(
            modality=modality,
            base=Path(base.name).name if source.folder else base.name,
            base_revision=revision_of(source, network.config),
            reading={name: getattr(used, name) for name in encoder.read_with},
            settings=None,
            end_to_end=spec.end_to_end,
            seed=settings.seed,
            labels=list(record.labels),
            data_fingerprint=record.data_fingerprint,
            protocol=record.protocol,
            fold=settings.data.fold,
            parts={"train": len(split.train), "val": len(split.val), "test": len(split.test)},
            seen=sorted({*marks_seen(manifest, split), *seen_by_base(base)}),
            scores={},
            best_epoch=best_epoch,
            environment=environment(),
        )
        save_encoder(network, encoder.saved_reader(), kept, place)
        tuned = used.model_copy(update={"name": str(place), "revision": None, "finetune": None})
        encoders[modality] = EncoderRecord(
            spec=tuned,
            identity=create_encoder(tuned).identity,
            end_to_end=EndToEndRecord(
                base=kept.base,
                base_revision=kept.base_revision,
                settings=spec.end_to_end,
                learnt_parameters=learnt,
                parameters=sum(parameter.numel() for parameter in network.parameters()),
            ),
        )
    return record.model_copy(update={"encoders": encoders})
