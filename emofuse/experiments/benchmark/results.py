"""Finished runs and linear models as methods, tested against one of them and ranked over dialogues."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

import numpy as np
import pandas as pd

from emofuse.data.manifest import Manifest
from emofuse.errors import EmofuseError
from emofuse.evaluation.comparison.compare_methods import compare_methods
from emofuse.evaluation.comparison.method_scores import MethodComparison
from emofuse.evaluation.comparison.methods import Facts, JudgedRun, Method, make_method, on_same_utterances
from emofuse.evaluation.comparison.ranks import RankComparison, compare_ranks
from emofuse.experiments.benchmark.costs import read_costs
from emofuse.experiments.benchmark.linear_sources import LinearSources
from emofuse.experiments.compared_runs import held_out
from emofuse.inference.baselines import fit_baselines
from emofuse.inference.baselines.names import ALONE, NEIGHBOURS
from emofuse.inference.baselines.scores import judged_table, read_baselines
from emofuse.inference.batches import longest_sequences
from emofuse.inference.prediction_table import report_on
from emofuse.models import model_info
from emofuse.runs.corpus import Progress
from emofuse.runs.run_folder import RunFolder
from emofuse.runs.run_record import RunRecord
from emofuse.runs.tasks import Task

# Names that fit into a figure's margin.
_SHORT = {ALONE: "linear", NEIGHBOURS: "linear+turns"}


_KINDS = ("vectors", "sequences", "frames")


def is_linear(name: str) -> bool:
    """Whether a linear model may have this name, such as ``linear+turns (vectors)``; see `compare_runs`."""
    bare, kinds = "|".join(map(re.escape, _SHORT.values())), "|".join(_KINDS)
    return re.fullmatch(rf"({bare})( \(({kinds})\))?( \d+)?", name) is not None


@dataclass(frozen=True)
class BenchmarkComparison:
    """Systems and linear models on the same test utterances.

    Attributes:
        methods: scores and tests; the first is what the others are tested against.
        baselines: names of the linear models among them.
        baseline_validation: their scores on the validation part.
        ranks: mean ranks over the dialogues of the test part.
        ranked_by: what is ranked within a dialogue.
        features: method → what it was given.
        settings_told: whose settings hold for linear models on features of systems that have different ones, a line each.
    """

    methods: MethodComparison
    baselines: tuple[str, ...]
    baseline_validation: dict[str, float]
    ranks: RankComparison
    ranked_by: str
    features: dict[str, str]
    settings_told: tuple[str, ...] = ()


def compare_runs(
    runs: Mapping[str, Sequence[RunFolder]],
    manifest: Manifest,
    task: Task,
    against: str | None,
    sources: LinearSources,
    progress: Progress | None = None,
) -> BenchmarkComparison:
    """Compare finished runs of systems, and linear models that are fitted on their features.

    Systems take features as vectors, as sequences or as frames; the linear models are fitted once for each kind.

    Args:
        runs: system → its finished runs, one per seed; of one split.
        manifest: the corpus.
        task: that all of them learnt.
        against: the method to test against; by default the linear model that the validation part likes best.
        sources: of the benchmark's folder.
        progress: called with (done, total, what).

    Raises:
        EmofuseError: ``against`` is not among the methods, or a kept file is damaged.
    """
    finished = {name: list(folders) for name, folders in runs.items() if folders}
    methods = [_method(name, folders) for name, folders in finished.items()]
    features = {name: _features_of_run(folders[0]) for name, folders in finished.items()}
    linear, validation, theirs, settings_told = _linear_models(finished, manifest, task, sources, progress)
    first = against or _best(validation, task) or methods[0].name
    every = [*methods, *linear]
    if first not in [method.name for method in every]:
        raise EmofuseError(
            f"--against {first}: has no finished run; there are {', '.join(method.name for method in every)}"
        )
    regression = task.name == "regression"
    if regression:
        every = [_rounded(method) for method in every]
    ordered, _ = on_same_utterances(sorted(every, key=lambda method: method.name != first))
    blocks = {method.name: _by_dialogue(method, regression) for method in every}
    return BenchmarkComparison(
        methods=compare_methods(ordered),
        baselines=tuple(method.name for method in linear),
        baseline_validation=validation,
        ranks=compare_ranks(blocks, less_is_better=regression),
        ranked_by="mean absolute error" if regression else "share of right answers",
        features=features | theirs,
        settings_told=settings_told,
    )


def _method(name: str, folders: Sequence[RunFolder]) -> Method:
    records = [folder.read_record() for folder in folders]
    labels = tuple(records[0].labels) if records[0].task == "classification" else ()
    costs = [read_costs(folder) for folder in folders]
    judged = [
        JudgedRun(str(folder.path), record.seed, held_out(folder), labels)
        for folder, record in zip(folders, records, strict=True)
    ]
    seconds = [record.fit_seconds for record in records if record.fit_seconds is not None]
    return make_method(
        name,
        judged,
        Facts(
            model=folders[0].model_name(records[0]),
            modalities=tuple(records[0].model_config_["modalities"]),
            protocol=records[0].protocol,
            optimistic=records[0].optimistic,
            synthetic=records[0].synthetic,
            parameters=records[0].parameters,
            flops=costs[0].flops,
            fit_seconds=fmean(seconds) if seconds else None,
        ),
    )


def _linear_models(
    runs: Mapping[str, Sequence[RunFolder]],
    manifest: Manifest,
    task: Task,
    sources: LinearSources,
    progress: Progress | None,
) -> tuple[list[Method], dict[str, float], dict[str, str], tuple[str, ...]]:
    """The linear models on each set of features, their validation scores, what they were given, and by whose settings."""
    groups: dict[str, dict[str, RunFolder]] = {}
    for system, folders in sorted(runs.items()):
        groups.setdefault(_feature_key(folders[0].read_record()), {})[system] = folders[0]
    metric = task.own_metric.removeprefix("val_")
    methods, validation, features, told = [], {}, {}, []
    # One system's settings (class weights, longest text) hold for the linear models of its group. Where the others have
    # different ones, the page says so.
    for key, (source, folder) in sources.choose(groups).items():
        names: list[str] = []
        kind = _kind(folder.read_record())
        fit_baselines(folder, manifest, progress)
        record = folder.read_record()
        for title, rows in read_baselines(folder, task).groupby("baseline", sort=False):
            name = f"{_SHORT[str(title)]} ({kind})" if len(groups) > 1 else _SHORT[str(title)]
            name = next(n for n in (name, *(f"{name} {i}" for i in range(2, 99))) if n not in validation)
            test = rows[rows["part"] == "test"].sort_values("id")
            facts = Facts(
                model=str(title),
                modalities=tuple(record.model_config_["modalities"]),
                protocol=record.protocol,
                optimistic=record.optimistic,
                synthetic=record.synthetic,
            )
            methods.append(make_method(name, [judged_table(name, test, task)], facts))
            validation[name] = report_on(rows[rows["part"] == "val"], task, bootstrap=0).metrics[metric]
            features[name] = _features(record)
            names.append(name)
        others = {system: _linear_settings(each) for system, each in groups[key].items()}
        told += _told_settings(names, source, _linear_settings(folder), others)
    return methods, validation, features, tuple(told)


def _linear_settings(folder: RunFolder) -> str:
    """What of a system's settings decides linear models on its features."""
    record, settings = folder.read_record(), folder.read_settings()
    parts = [f"class weights {settings.optimiser.class_weights}"] * (record.task == "classification")
    if (
        "text" in record.model_config_["modalities"]
        and model_info(record.model_name).takes("text") == "steps"
    ):
        longest = longest_sequences(settings.data, record.model_config_.get("text_length"))
        parts.append(f"at most {longest['text']} steps of a text")
    return ", ".join(parts)


def _told_settings(names: Sequence[str], source: str, own: str, settings: Mapping[str, str]) -> list[str]:
    """By which system's settings linear models were fitted; nothing where all of its group have the same."""
    systems: dict[str, list[str]] = {}
    for system, has in settings.items():
        systems.setdefault(has, []).append(system)
    differ = [f"{', '.join(systems[has])} ({has})" for has in systems if has != own]
    if not differ:
        return []
    return [
        f"{' and '.join(names)}: {own}, as {source} has it, by name the first of the systems that had these features when "
        f"the benchmark began. Otherwise: {'; '.join(differ)}."
    ]


def _feature_key(record: RunRecord) -> str:
    encoders = sorted((m, part.identity.digest) for m, part in record.encoders.items())
    return f"{_kind(record)} {encoders}"


def _kind(record: RunRecord) -> str:
    """How the system takes what it is given."""
    info = model_info(record.model_name)
    kinds = {info.inputs[modality] for modality in record.model_config_["modalities"]}
    return "frames" if "frames" in kinds else "sequences" if "steps" in kinds else "vectors"


def _features_of_run(folder: RunFolder) -> str:
    given = _features(folder.read_record())
    return f"{given}; pooled with a linear model" if folder.linear_file.exists() else given


def _features(record: RunRecord) -> str:
    """What was given, for a person."""
    info = model_info(record.model_name)
    parts = []
    for modality in record.model_config_["modalities"]:
        part = record.encoders.get(modality)
        kind = {"vector": "a vector", "steps": "steps", "frames": "frames"}[info.inputs[modality]]
        name = "" if part is None else f" of {part.identity.name}"
        parts.append(f"{modality}: {kind}{name}")
    return "; ".join(parts)


def _best(validation: Mapping[str, float], task: Task) -> str | None:
    if not validation:
        return None
    sign = 1 if task.name == "regression" else -1
    return min(validation, key=lambda name: sign * validation[name])


def _rounded(method: Method) -> Method:
    """True values as systems were given them, in single precision; the linear models have them in double."""
    rounds = (table.assign(truth=table["truth"].astype(np.float32).astype(float)) for table in method.rounds)
    return replace(method, rounds=tuple(rounds))


def _by_dialogue(method: Method, regression: bool) -> np.ndarray:
    """(D,) a method's score in each test dialogue, mean over its rounds; dialogues in the order of their names."""
    scores = []
    for table in method.rounds:
        each = (
            (table["truth"] - table["predicted"]).abs()
            if regression
            else (table["truth"] == table["predicted"]).astype(float)
        )
        scores.append(pd.Series(each.to_numpy(float)).groupby(table["dialogue"].to_numpy()).mean().to_numpy())
    return np.asarray(np.mean(scores, axis=0))
