"""What is changed of DeepMSI-MER, one part at a time, as changes of its configuration."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch

from emofuse.errors import EmofuseError
from emofuse.models import create_model
from emofuse.models.deepmsi_mer_config import DeepMSIMERConfig

FULL = "full"
FRAME_COUNTS = (5, 10, 15, 20, 30)
THRESHOLDS = (0.0, 0.2)
# Shares of the side of a grid that the paper's three compressions keep: 14, 12 and 10 of 16 tokens.
_KEPT_SHARES = (14 / 16, 12 / 16, 10 / 16)


@dataclass(frozen=True)
class Variant:
    """One row of the table.

    Attributes:
        name: of the row, and of its folder.
        what: what is changed, in a few words.
        options: settings of the model, put over those of the recipe.
    """

    name: str
    what: str
    options: dict[str, Any] = field(default_factory=dict)


def list_variants(config: DeepMSIMERConfig) -> list[Variant]:
    """The system as configured, then every ablation that makes a difference to it.

    Args:
        config: of the full system, with all three modalities.

    Raises:
        EmofuseError: it has no video, no compression, or nothing to steer by.
    """
    if set(config.modalities) != {"text", "audio", "video"} or config.vsc is None:
        raise EmofuseError(
            "ablate deepmsi-mer: the components to take away are those of the full system; give text, audio and video, "
            "and visual sequence compression (model.options.vsc)"
        )
    return [
        Variant(FULL, "as configured"),
        Variant("no-contrastive", "β_cl = 0: no contrastive loss", {"beta_cl": 0.0}),
        Variant("no-vsc", "a plain Swin V2 that sees every token", {"vsc": None}),
        *_compressions(config),
        *_guidance_variants(config),
        *_other_swin(config),
        *[
            Variant(f"temporal-{kind}", f"{title} over the frames", {"temporal": kind})
            for kind, title in (("tcn", "TCN"), ("mean", "mean"), ("gru", "GRU"))
            if kind != config.temporal
        ],
        *[
            Variant(f"frames-{count}", f"{count} frames, not {config.frames}", {"frames": count})
            for count in FRAME_COUNTS
            if count != config.frames
        ],
    ]


def _compressions(config: DeepMSIMERConfig) -> list[Variant]:
    """With a threshold where the full system keeps a number, the other way round, and without Eq. 3."""
    assert config.vsc is not None
    given = config.vsc.model_dump(mode="json")
    found = []
    if config.vsc.threshold is None:
        found += [
            Variant(
                f"threshold-{gamma}",
                f"VSC keeps what scores γ = {gamma}",
                {"vsc": given | {"threshold": gamma}},
            )
            for gamma in THRESHOLDS
        ]
    else:
        grids = kept_grids(config)
        if grids is not None:
            sizes = ", ".join(f"{side}×{side}" for side in grids)
            keep = {"vsc": given | {"threshold": None, "grids": list(grids), "windows": None}}
            found.append(Variant("keep", f"VSC keeps the best {sizes} tokens", keep))
    if config.vsc.merge:
        found.append(
            Variant(
                "no-merge", "what VSC drops is lost, not folded in (Eq. 3)", {"vsc": given | {"merge": False}}
            )
        )
    if config.vsc.straight_through:
        plain = {"vsc": given | {"straight_through": False}}
        found.append(Variant("no-gradient", "no gradient from the choice of tokens to G_cls", plain))
    return found


def _guidance_variants(config: DeepMSIMERConfig) -> list[Variant]:
    ways: list[tuple[str, str, list[str]]] = [
        ("steer-image", "VSC is steered by the image alone", []),
        ("steer-text", "VSC is steered by text alone", ["text"]),
        ("steer-audio", "VSC is steered by audio alone", ["audio"]),
    ]
    return [
        Variant(name, what, {"steer_by": by})
        for name, what, by in ways
        if tuple(by) != tuple(config.steer_by)
    ]


def _other_swin(config: DeepMSIMERConfig) -> list[Variant]:
    """The same sizes in the other version; a checkpoint is of one version, and has no counterpart."""
    if isinstance(config.swin, str):
        return []
    other = 3 - config.swin_version
    how = {1: "pre-norm, dot products, a table of biases", 2: "post-norm, cosines, a network of biases"}
    swin = {k: v for k, v in config.swin.items() if k != "pretrained_window_sizes"}
    return [Variant(f"swin-v{other}", f"Swin V{other}: {how[other]}", {"swin_version": other, "swin": swin})]


def kept_grids(config: DeepMSIMERConfig) -> tuple[int, ...] | None:
    """Grids that a system with a threshold could keep, in the paper's proportions; None if none fits it.

    Windows must tile what is left, so the largest grids near those proportions that can be tiled are taken.
    """
    if config.vsc is None or isinstance(config.swin, str):
        return None
    count = len(config.vsc.grids)
    side = -(-config.image_size // int(config.swin["patch_size"])) // 2**config.vsc.stage
    wanted = [round(share * side) for share in _KEPT_SHARES[:count]]
    for less in range(side):
        grids = tuple(each - less for each in wanted)
        if len(grids) < count or grids[-1] < 2:
            return None
        if len(set(grids)) == count and _builds(config, grids):
            return grids
    return None


def _builds(config: DeepMSIMERConfig, grids: tuple[int, ...]) -> bool:
    vsc = config.vsc.model_dump() if config.vsc is not None else {}
    vsc |= {"threshold": None, "grids": grids, "windows": None}
    try:
        with torch.device("meta"):  # the shapes are enough
            create_model("deepmsi-mer", **(config.model_dump() | {"vsc": vsc}))
    except EmofuseError:
        return False
    return True
