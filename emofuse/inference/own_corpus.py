"""Whether a run's corpus is still what it was trained on, before the run is judged on it."""

from __future__ import annotations

from emofuse.data.manifest import Manifest
from emofuse.errors import EmofuseError
from emofuse.evaluation import Split
from emofuse.runs.corpus_identity import CorpusChange, CorpusIdentity, refuse_learnt_rows
from emofuse.runs.run_folder import RunFolder


def change_of_corpus(folder: RunFolder, manifest: Manifest, split: Split) -> CorpusChange:
    """What has changed in a run's corpus since its training; nothing is judged that the run has learnt from.

    Args:
        folder: a fitted run.
        manifest: its corpus today.
        split: of the run.

    Raises:
        EmofuseError: utterances of the split are gone, or judged ones hold now what the run has learnt from.
    """
    held, now = CorpusIdentity.read(folder.path), CorpusIdentity.of(manifest)
    if held is None:
        if folder.read_record().data_fingerprint != manifest.fingerprint():
            raise EmofuseError(
                f"{folder.path}: its corpus has changed since the training, and this run of an earlier version does not "
                "know which rows; restore the corpus, or train again"
            )
        held = now
    for part, ids in (("training", split.train), ("validation", split.val), ("test", split.test)):
        if gone := [id for id in ids if id not in now.row_of]:
            raise EmofuseError(
                f"{folder.path}: {len(gone)} of the {len(ids)} utterances of its {part} part are gone from its corpus "
                f"({gone[0]} among them); restore them, train again, or name what to judge with --data"
            )
    refuse_learnt_rows(held, now, split.train, split.val)
    refuse_learnt_rows(held, now, [*split.train, *split.val], split.test)
    return held.changes_to(now)
