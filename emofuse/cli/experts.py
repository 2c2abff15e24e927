"""``--experts``: named classifiers in the place of modalities of a run, or alone."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from emofuse.data.modality import MODALITIES, Modality
from emofuse.errors import EmofuseError
from emofuse.starter import STARTER

if TYPE_CHECKING:
    from emofuse.ensemble import EnsemblePipeline
    from emofuse.pipeline import EmotionPipeline
    from emofuse.runs.precision import Precision

_NEXT = re.compile(r",(?=\s*(?:text|audio|video)\s*=)")


@dataclass(frozen=True)
class ExpertOptions:
    """What a user says of experts.

    Attributes:
        experts: ``text=NAME,audio=NAME,video=NAME``, of which one or two may be left out; None for a run as it is.
        alone: no run at all.
        label_map: what classes count as, as words or a file.
        trust: ``text=1,audio=0.5``, weights in the pool.
        whole_frames: pictures are not searched for faces.
    """

    experts: str | None
    alone: bool = False
    label_map: str | None = None
    trust: str | None = None
    whole_frames: bool = False

    def check(self, run: Path) -> None:
        """Say what cannot go together before a model is loaded."""
        others = self.alone or self.whole_frames or self.label_map is not None or self.trust is not None
        if self.experts is None and others:
            raise EmofuseError(
                "--no-starter, --label-map, --trust and --whole-frames go with --experts text=NAME,audio=NAME,video=NAME"
            )
        if self.alone and str(run) != STARTER:
            raise EmofuseError(f"--no-starter: the experts answer alone, so leave out {run}")


def open_pipeline(
    run: Path,
    options: ExpertOptions,
    *,
    device: str,
    precision: Precision = "32",
    quiet: bool,
    modalities: Collection[Modality] | None = None,
) -> EmotionPipeline | EnsemblePipeline:
    """A run's or an ensemble's pipeline, with experts in it where some are named; what their classes count as is printed.

    Args:
        run: folder of a run or of an ensemble, or "starter".
        options: the user's, of experts.
        device: where to compute.
        precision: of a run's system.
        quiet: print nothing.
        modalities: whose encoders of a run are loaded; by default all.

    Raises:
        EmofuseError: as `EmotionPipeline.from_pretrained` and `EmotionPipeline.from_experts`.
    """
    from emofuse import ensemble
    from emofuse.pipeline import EmotionPipeline

    options.check(run)
    pipe: EmotionPipeline | EnsemblePipeline
    if options.experts is None:
        pipe = ensemble.open_pipeline(run, device=device, precision=precision, modalities=modalities)
    else:
        pipe = EmotionPipeline.from_experts(
            **_by_modality("--experts", options.experts),
            run=None if options.alone else run,
            label_map=options.label_map,
            trust=_weights(options.trust),
            faces=not options.whole_frames,
            device=device,
        )
    if not quiet:
        for line in (*pipe.notes, *pipe.expert_lines):
            typer.echo(f"note: {line}", err=True)
    return pipe


def _weights(given: str | None) -> dict[Modality, float]:
    weights = {} if given is None else _by_modality("--trust", given)
    return {m: _number(weights[m]) for m in MODALITIES if m in weights}


def _by_modality(option: str, given: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for pair in _NEXT.split(given):
        modality, sign, value = (part.strip() for part in pair.partition("="))
        if modality not in MODALITIES or not sign or not value:
            raise EmofuseError(
                f"{option} {pair.strip()!r}: write text=…, audio=… or video=…, separated by commas"
            )
        if modality in found:
            raise EmofuseError(f"{option}: {modality} is given twice")
        found[modality] = value
    return found


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise EmofuseError(f"--trust: {text!r} is no number") from None
