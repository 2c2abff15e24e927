"""What a run learns to say: a class or a value. Nothing else in this room knows what differs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from torch import Tensor

from emofuse.data.targets import Target
from emofuse.data.utterance import Utterance
from emofuse.errors import EmofuseError
from emofuse.models import ModelInfo, model_info
from emofuse.models.system_info import Task as TaskName
from emofuse.runs.classification import Classification
from emofuse.runs.predictions import Predictions
from emofuse.runs.regression import Regression
from emofuse.runs.settings import RunSettings

if TYPE_CHECKING:
    from emofuse.data.manifest import Manifest

MONITORS: dict[str, Literal["min", "max"]] = {
    "val_loss": "min",
    "val_weighted_f1": "max",
    "val_mae": "min",
    "val_corr": "max",
}


class Task(Protocol):
    """A kind of target: how a system is asked for it, stopped by it and scored on it."""

    name: ClassVar[TaskName]
    own_metric: ClassVar[str]
    definitions: ClassVar[Mapping[str, str]]

    @property
    def labels(self) -> Sequence[str]:
        """The classes: those that are learnt, or that a value is named as."""

    @property
    def target(self) -> Target:
        """An utterance's target as a number."""

    def model_options(self) -> dict[str, Any]:
        """What the system's configuration must say."""

    def labelled(self, manifest: Manifest) -> Manifest:
        """The rows that have a target."""

    def class_weights(self, utterances: Sequence[Utterance], how: str) -> Tensor | None:
        """(C,) weights of the classes in the loss, or None."""

    def validation(self, outputs: Tensor, targets: Tensor) -> dict[str, float]:
        """Metrics that training may be stopped by, of a system's outputs (N, C)."""

    def report(self, predictions: Predictions, groups: Sequence[str], train: Sequence[Utterance] = ()) -> Any:
        """All metrics; intervals resample ``groups``, because utterances of one are not independent."""

    def lines(self, report: Any) -> list[str]:
        """The headline of a report, for a person."""

    def floor(self, predictions: Predictions, train: Sequence[Utterance]) -> str:
        """What always saying the same, chosen on the training part, would score on these rows."""

    def columns(self, predictions: Predictions) -> dict[str, Any]:
        """What was predicted, as columns of a table."""


def task_of(settings: RunSettings, manifest: Manifest) -> Task:
    """The task that the settings ask for, on the classes of a corpus.

    Raises:
        EmofuseError: the system cannot learn it, the corpus has no targets for it, or the settings would
            stop it by another task's metric.
    """
    name, info = settings.model.task, model_info(settings.model.name)
    if name not in info.tasks:
        raise EmofuseError(
            f"setting model.task: {info.title} does no {name}; it does {', '.join(info.tasks)} "
            "(see `emofuse models`)"
        )
    task: Task = Regression(settings.model.options.get("regression_loss", "l1"))
    if name == "classification":
        task = Classification(tuple(manifest.labels))
        if len(task.labels) < 2:
            found = f"only {task.labels[0]}" if task.labels else "none"
            raise EmofuseError(
                f"the column label holds {found}: a classification needs two classes or more"
                + (_on_valence(info) if _has_valence(manifest) else "")
            )
    elif not _has_valence(manifest):
        raise EmofuseError("the column valence is empty: a regression needs numbers there")
    task.class_weights((), settings.optimiser.class_weights)  # says now what it would say later
    chosen = settings.optimiser.monitor
    other = {"classification": ("val_mae", "val_corr"), "regression": ("val_weighted_f1",)}[name]
    if chosen in other:
        raise EmofuseError(f"setting optimiser.monitor: a {name} has no {chosen}; leave it out for its own")
    return task


def _has_valence(manifest: Manifest) -> bool:
    return bool(manifest.frame["valence"].notna().any())


def _on_valence(info: ModelInfo) -> str:
    """What to do with a corpus that has values and no classes."""
    if "regression" in info.tasks:
        return "; for the column valence ask for --task regression (setting model.task)"
    return f"; for the column valence choose a system that does regression, which {info.title} does not (see `emofuse models`)"


def recorded_task(name: TaskName, labels: Sequence[str]) -> Task:
    """The task of a run that has been recorded."""
    return Classification(tuple(labels)) if name == "classification" else Regression()
