"""An explanation as files: data for a program, pictures for a person."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from emofuse.data.atomic import write_text_aside
from emofuse.evaluation.reporting.figures import draw_kept_patches, save_figure
from emofuse.evaluation.reporting.figures.attribution import draw_attribution
from emofuse.explanation.modalities import Explanation, kept_rows


def write_explanation(found: Explanation, folder: Path) -> list[Path]:
    """Write explanation.json, modalities.png (and .svg), and patches.png where frames were compressed.

    Args:
        found: of :func:`emofuse.explanation.explain`.
        folder: made if it is missing.

    Returns:
        The files, pictures as PNG.
    """
    data = folder / "explanation.json"
    write_text_aside(data, json.dumps(found.to_dict(), indent=1, ensure_ascii=False) + "\n")
    moved: dict[str, Any] = {
        "shapley": {m: values[found.label] for m, values in found.shapley.items()},
        "leave_one_out": {m: values[found.label] for m, values in found.leave_one_out.items()},
        "label": found.label,
        "nothing": found.nothing[found.label],
        "everything": found.probabilities[found.label],
        "title": f"{found.id}: {found.label}",
    }
    figures = [
        save_figure(
            draw_attribution(**moved),
            folder,
            "modalities",
            draw_attribution(**moved, narrow=True),
        ).png
    ]
    if found.kept and found.frames is not None:
        kept, grid = [kept_rows(patches) for patches in found.kept], found.kept[0].grid
        figures.append(
            save_figure(
                draw_kept_patches(found.frames, kept, grid, title=f"{found.id}: kept patches"),
                folder,
                "patches",
                draw_kept_patches(found.frames, kept, grid, narrow=True),
            ).png
        )
    return [data, *figures]
