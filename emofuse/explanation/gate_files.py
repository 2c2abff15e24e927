"""Gates as files: data for a program, a picture under the transcript for a person."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from emofuse.data.atomic import write_text_aside
from emofuse.data.spreadsheet import spreadsheet_csv
from emofuse.evaluation.reporting.figures import save_figure
from emofuse.evaluation.reporting.figures.gates import GateCurve, draw_gates
from emofuse.explanation.gates import Gates


def write_gates(found: Gates, folder: Path) -> list[Path]:
    """Write gates.json, gates.csv (a row per step) and gates.png with its SVG.

    Args:
        found: of :func:`emofuse.explanation.explain_gates`.
        folder: made if it is missing.
    """
    data, table = folder / "gates.json", folder / "gates.csv"
    write_text_aside(data, json.dumps(found.to_dict(), indent=1, ensure_ascii=False) + "\n")
    rows = [{"modality": m, **row} for m, track in found.tracks.items() for row in track.rows()]
    write_text_aside(table, spreadsheet_csv(pd.DataFrame(rows)))
    curves: dict[str, GateCurve] = {
        m: GateCurve(t.mean, t.low, t.high, t.counted, t.words, float(t.end[-1]) if len(t.end) else None)
        for m, t in found.tracks.items()
    }
    said = f"−{found.said[1:]}" if found.said.startswith("-") else found.said  # a typeset minus
    title = f"{found.id}: {said}"
    figure = draw_gates(curves, transcript=found.text, title=title)
    narrow = draw_gates(curves, transcript=found.text, title=title, narrow=True)
    return [data, table, save_figure(figure, folder, "gates", narrow).png]
