"""A model card: what a run is, what it learnt from, how it was judged, and what it must not be used for.

Mitchell et al. 2019, Model Cards for Model Reporting. Its head is what the Hugging Face hub reads.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined

from emofuse.errors import EmofuseError
from emofuse.evaluation import PROTOCOLS
from emofuse.evaluation.metrics.estimate import Estimate
from emofuse.evaluation.metrics.sentiment import NOT_SHARES
from emofuse.evaluation.reporting.printable import markdown_text, printable
from emofuse.evaluation.reporting.report_rows import METRIC_NAMES, metric_name, metric_order
from emofuse.inference.calibration import read_calibration
from emofuse.inference.reporting.counts_alone import change_without_ids, flag_without_ids
from emofuse.models import model_info
from emofuse.runs.run_folder import RunFolder
from emofuse.runs.run_record import RunRecord
from emofuse.runs.stored_results import read_metrics
from emofuse.starter import STARTER_LICENCE, starter_folder

CARD_FILE = "README.md"
_OPTIMISTIC = "optimistic"


@dataclass(frozen=True)
class CardFigure:
    """A score with its interval and its flags."""

    name: str
    estimate: Estimate
    flags: tuple[str, ...] = ()

    @property
    def shown(self) -> str:
        """The score with its interval."""
        return self.estimate.text()

    @property
    def flagged_name(self) -> str:
        """The name, with the flags that go wherever the number goes."""
        return f"{self.name} ({', '.join(self.flags)})" if self.flags else self.name


def model_card(run: RunFolder, *, licence: str | None = None) -> str:
    """The card as Markdown with a YAML head.

    Args:
        run: that has been trained; figures are there once it has been evaluated.
        licence: identifier for the head, such as ``"cc-by-nc-4.0"``; without it the card says that none was stated.

    Raises:
        EmofuseError: a file of the run is damaged, or the licence is no identifier.
    """
    if licence is not None and re.fullmatch(r"[a-z0-9][a-z0-9.+-]{0,63}", licence) is None:
        raise EmofuseError(
            f"licence: an identifier such as cc-by-nc-4.0, apache-2.0 or other, not {licence!r}"
        )
    record, settings = run.read_record(), run.read_settings()
    file = run.path / "metrics.json"
    metrics = read_metrics(file, f"run `emofuse evaluate {run.path}`") if file.is_file() else {}
    licence = licence or (STARTER_LICENCE if _is_starter(run) else None)
    corpus = _corpus_name(settings.data.manifest)
    figures = _figures(metrics.get("test") or {}, record)
    title = f"{model_info(record.model_name).title}, trained on {corpus}"
    environment = Environment(
        loader=PackageLoader("emofuse.inference.reporting"),
        autoescape=False,  # Markdown, in which the filter md makes signs of words
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["md"] = markdown_text
    body = environment.get_template("model_card.md.j2").render(
        title=title,
        record=record,
        info=model_info(record.model_name),
        corpus=corpus,
        protocol=PROTOCOLS[record.protocol],
        figures=figures,
        classes=_classes(metrics.get("test") or {}),
        sizes=_sizes(metrics),
        notes=_notes(metrics, record),
        calibration=read_calibration(run),
        licence=licence,
        encoders={m: part.identity for m, part in record.encoders.items()},
        floor=str(metrics.get("floor") or ""),
    )
    head = yaml.safe_dump(
        _head(record, licence, corpus, figures, title), allow_unicode=True, sort_keys=False, width=1000
    )
    return f"---\n{head}---\n\n" + re.sub(r"\n{3,}", "\n\n", body).strip() + "\n"


def _head(
    record: RunRecord, licence: str | None, corpus: str, figures: Sequence[CardFigure], title: str
) -> dict[str, Any]:
    modalities = list(record.model_config_["modalities"])
    head: dict[str, Any] = {
        "library_name": "emofuse",
        "license": licence or "other",
        **({} if licence else {"license_name": "not-stated"}),
        "tags": ["emotion-recognition", "emofuse", record.model_name, *modalities],
    }
    if not figures:
        return head
    result = {
        "task": {"type": "emotion-recognition", "name": f"Emotion recognition ({record.task})"},
        "dataset": {
            "name": printable(corpus, 80),
            "type": "synthetic" if record.synthetic else "unpublished",
        },
        "metrics": [
            {"type": figure.name, "value": round(figure.estimate.value, 4), "name": figure.flagged_name}
            for figure in figures
            if figure.estimate.defined
        ],
    }
    return head | {"model-index": [{"name": printable(title, 120), "results": [result]}]}


def _is_starter(run: RunFolder) -> bool:
    try:
        return run.path.resolve() == starter_folder().resolve()
    except EmofuseError:
        return False


def _corpus_name(manifest: Path | None) -> str:
    """The folder of the manifest, or its own name where only that is known."""
    if manifest is None:
        return "a corpus"
    return manifest.parent.name or manifest.stem


def _figures(test: Mapping[str, Any], record: RunRecord) -> list[CardFigure]:
    flags = ((_OPTIMISTIC,) if record.optimistic else ()) + (("synthetic data",) if record.synthetic else ())
    intervals = test.get("intervals") or {}
    names = [name for name in METRIC_NAMES if isinstance(test.get(name), int | float)]
    return [
        CardFigure(
            metric_name(name),
            Estimate.of(test[name], _interval(intervals.get(name)), share=name not in NOT_SHARES),
            flags,
        )
        for name in sorted(names, key=metric_order)
    ]


def _interval(ends: Any) -> tuple[float, float] | None:
    known = isinstance(ends, list) and len(ends) == 2 and all(isinstance(end, int | float) for end in ends)
    return (float(ends[0]), float(ends[1])) if known else None


def _classes(test: Mapping[str, Any]) -> list[tuple[str, str, str, int]]:
    """Label, F1, recall and how many utterances, of each class that the metrics tell of."""
    found = []
    for label, scores in (test.get("per_class") or {}).items():
        f1, recall = (_share(scores.get(name)) for name in ("f1", "recall"))
        found.append((str(label), f1, recall, int(scores.get("support") or 0)))
    return found


def _share(value: Any) -> str:
    return Estimate(float(value) if isinstance(value, int | float) else math.nan).value_text()


def _sizes(metrics: Mapping[str, Any]) -> dict[str, int]:
    sizes = (metrics.get("audit") or {}).get("sizes") or {}
    return {str(part): int(n) for part, n in sizes.items() if isinstance(n, int)}


def _notes(metrics: Mapping[str, Any], record: RunRecord) -> list[str]:
    """What makes figures better than they would be on new people, and what else must be known."""
    fitted = [f for f in metrics.get("fitted_features") or [] if isinstance(f, Mapping)]
    return [
        *(
            ["Synthetic data: the clips were generated by a program. The numbers say nothing of real people."]
            if record.synthetic
            else []
        ),
        *(
            f"Leak: {flag_without_ids(str(flag))}."
            for flag in (metrics.get("audit") or {}).get("flags") or []
        ),
        *(
            f"Leak: the {f.get('modality')} features were fitted to labels of the {f.get('held_out')} part."
            for f in fitted
            if f.get("fitted")
        ),
        *([f"{text}."] if (text := metrics.get("transductive")) else []),
        *(
            [f"The corpus has changed since the training: {change_without_ids(str(text))}."]
            if (text := metrics.get("corpus_change"))
            else []
        ),
    ]
