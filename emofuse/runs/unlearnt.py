"""Classes that a run is judged on and never shown."""

from __future__ import annotations

from emofuse.data.manifest import Manifest
from emofuse.data.wording import counted
from emofuse.evaluation import Split


def unlearnt_classes(manifest: Manifest, split: Split) -> dict[str, int]:
    """Class → its test utterances, for classes that no training utterance has.

    Args:
        manifest: the corpus.
        split: of the run.
    """
    labels = manifest.frame.set_index("id")["label"]
    known = set(labels.reindex(split.train).dropna())
    counts = labels.reindex(split.test).dropna().value_counts().sort_index()
    return {str(label): int(count) for label, count in counts.items() if label not in known}


def unlearnt_line(manifest: Manifest, split: Split) -> str:
    """The same in a line for a person; empty where every class is learnt."""
    found = unlearnt_classes(manifest, split)
    if not found:
        return ""
    named = ", ".join(f"{label} ({counted(count, 'utterance')})" for label, count in found.items())
    return f"in the test part, and never in the training part: {named}; no system can be right there"
