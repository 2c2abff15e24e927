"""Sequences of different lengths brought to one, for systems that see all modalities at once, step by step."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from emofuse.nn.exporting import longest


def align_to_words(
    x: Mapping[str, Tensor], masks: Mapping[str, Tensor], without_words: int
) -> tuple[dict[str, Tensor], Tensor]:
    """Bring the sequences of an utterance to one length: as many steps as it has words.

    Args:
        x: modality → (B, T_m, d_m), real steps first.
        masks: modality → (B, T_m) bool, the real ones.
        without_words: steps of an utterance without words.

    Returns:
        Modality → (B, T, d_m), and (B, T) bool, the steps that an utterance has.
    """
    lengths = _word_lengths(masks, without_words)
    count = longest(lengths, without_words + (x["text"].shape[1] if "text" in x else 0))
    aligned = {m: align_steps(sequence, masks[m], lengths, count) for m, sequence in x.items()}
    return aligned, torch.arange(count, device=lengths.device) < lengths.unsqueeze(1)


def _word_lengths(masks: Mapping[str, Tensor], without_words: int) -> Tensor:
    """(B,) steps of each utterance: its words, or of one without words a fixed number. Masks are (B, T) each."""
    some = next(iter(masks.values()))
    words = masks["text"].sum(dim=1) if "text" in masks else some.new_zeros(some.shape[0], dtype=torch.int64)
    return torch.where(words > 0, words, without_words)


def align_steps(x: Tensor, mask: Tensor, lengths: Tensor, most: int) -> Tensor:
    """Resample each sequence to a length of its own: steps that fall together are averaged, others are repeated.

    Step i of n' covers steps ⌊i n / n'⌋ to ⌊(i + 1) n / n'⌋ of the n real ones, at least one. A sequence of that length
    already stays as it is.

    Args:
        x: (B, T, d), real steps first.
        mask: (B, T) bool, the real ones.
        lengths: (B,), n' of each row.
        most: T', at least the largest of them.

    Returns:
        (B, T', d); 0 beyond a row's n', and where a row has no step.
    """
    real = mask.sum(dim=1, keepdim=True)
    wanted = lengths.clamp_min(1).unsqueeze(1)
    places = torch.arange(most, device=x.device).unsqueeze(0)
    first = (places * real) // wanted
    last = torch.maximum(((places + 1) * real) // wanted, first + 1)
    sums = torch.cat([x.new_zeros(x.shape[0], 1, x.shape[2]), (x * mask.unsqueeze(-1)).cumsum(dim=1)], dim=1)
    first, last = (each.clamp_max(x.shape[1]) for each in (first, last))
    gather = lambda at: sums.gather(1, at.unsqueeze(-1).expand(-1, -1, x.shape[2]))  # noqa: E731
    means = (gather(last) - gather(first)) / (last - first).clamp_min(1).unsqueeze(-1)
    inside = (places < lengths.unsqueeze(1)) & (real > 0)
    return torch.where(inside.unsqueeze(-1), means, 0.0)
