"""Encoders fine-tuned on all of the training part but a group, so that each utterance has one that has not seen it.

An encoder that was fine-tuned on the training part gives vectors of it that are surer than those of any other part. A
system that is trained on them learns to trust them more than it should (the leak of stacked generalisation: Wolpert
1992). Cross-fitted vectors of the training part are as unsure as those of the test part.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
from sklearn.metrics import f1_score

from emofuse.data.manifest import Manifest
from emofuse.errors import EmofuseError
from emofuse.evaluation import Split
from emofuse.evaluation.protocols.folds import fold_numbers, strata_of
from emofuse.training.finetuning.judging import Judgement

FineTuneWithout = Callable[[int, Split], Judgement]
"""Fine-tune on a split's training part, number given, and judge its test part."""


def cross_fit_groups(
    manifest: Manifest, ids: Sequence[str], count: int, seed: int, *, by_speaker: bool
) -> tuple[dict[str, int], str]:
    """Divide a training part into groups of whole speakers or dialogues, or of utterances where there are too few.

    Args:
        manifest: the corpus.
        ids: of the training part.
        count: how many groups.
        seed: of the division.
        by_speaker: whether the protocol holds speakers out; dialogues otherwise.

    Returns:
        Utterance → its group, from 0, and what was kept whole.

    Raises:
        EmofuseError: there are fewer utterances than groups.
    """
    if len(ids) < count:
        raise EmofuseError(
            f"finetune: cross_fit {count} is more than the {len(ids)} utterances of the training part"
        )
    rows = manifest.frame.set_index("id").loc[list(ids)]
    for kind in ("speaker", "dialogue") if by_speaker else ("dialogue",):
        codes = pd.factorize(rows[kind])[0]
        if (codes >= 0).all() and len(np.unique(codes)) >= count:
            break
    else:
        kind, codes = "utterance", np.arange(len(rows))
    folds = fold_numbers(strata_of(rows.reset_index()), codes, count, seed)
    return {utterance: int(fold) for utterance, fold in zip(ids, folds, strict=True)}, kind


def fine_tune_held_out(split: Split, groups: Mapping[str, int], fine_tune: FineTuneWithout) -> Judgement:
    """Fine-tune once per group on the others; the validation part chooses the epoch each time.

    Args:
        split: of the run; its test part is not touched.
        groups: utterance of the training part → its group.
        fine_tune: does it, and judges the group.

    Returns:
        The judgement of every utterance of the training part by the encoder that has not seen it.
    """
    found: dict[str, tuple[int, int]] = {}
    for number in range(max(groups.values()) + 1):
        found |= fine_tune(number, part_without(split, groups, number))
    return found


def part_without(split: Split, groups: Mapping[str, int], number: int) -> Split:
    """A split that is trained on all groups but one, which stands in the place of its test part."""
    train = [utterance for utterance in split.train if groups[utterance] != number]
    group = [utterance for utterance in split.train if groups[utterance] == number]
    return Split(train, list(split.val), group)


def weighted_f1(judgement: Judgement) -> float:
    """Weighted F1 of what a head says, from 0 to 1."""
    true, said = np.array(list(judgement.values())).T
    return float(f1_score(true, said, average="weighted", zero_division=0))
