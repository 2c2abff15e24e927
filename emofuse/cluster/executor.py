"""A Ray cluster as an executor of runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from emofuse.cluster.session import ray_session
from emofuse.data.quarantine import Quarantine
from emofuse.encoders import EncoderSpec, create_encoder
from emofuse.features import FeatureStore, extract_features
from emofuse.features.extract import Elsewhere
from emofuse.runs.corpus import Progress
from emofuse.runs.executor import Finished
from emofuse.runs.features import feature_store_of
from emofuse.runs.modalities import shared_encoders
from emofuse.runs.processes import Task
from emofuse.runs.settings import RunSettings

if TYPE_CHECKING:
    from emofuse.data.manifest import Manifest


@contextmanager
def ray_cluster(address: str) -> Iterator[RayCluster]:
    """A cluster to work on inside the block; see `ray_session`."""
    with ray_session(address):
        yield RayCluster(address)


@dataclass(frozen=True)
class RayCluster:
    """The cluster that this process has joined; an `Executor`.

    Attributes:
        address: that was given.
    """

    address: str

    @property
    def at_once(self) -> int:
        """Most tasks at once: as many as there are processors."""
        from emofuse.cluster.tasks import places, task_options

        return places(task_options(1, "cpu"))

    def prepare(
        self, settings: Sequence[RunSettings], manifest: Manifest, folder: Path, progress: Progress
    ) -> None:
        """Fill the feature store from all nodes, since all tasks begin together."""
        done: set[tuple[Path, str]] = set()
        for each in settings:
            for spec in shared_encoders(each, manifest).values():
                store = feature_store_of(each, manifest)
                key = (store.root, spec.model_dump_json())
                if key not in done:
                    done.add(key)
                    quarantine = Quarantine(folder / "quarantine.csv")
                    self._fill(each, manifest, spec, store, quarantine, progress)

    def _fill(
        self,
        settings: RunSettings,
        manifest: Manifest,
        spec: EncoderSpec,
        store: FeatureStore,
        quarantine: Quarantine,
        progress: Progress,
    ) -> None:
        assert settings.data.manifest is not None
        elsewhere = self.extraction(
            settings.data.manifest,
            spec,
            store,
            device=settings.device,
            workers=settings.data.workers,
            threads=settings.threads,
        )
        encoder = create_encoder(spec, device="cpu")
        extract_features(
            manifest, encoder, store, quarantine=quarantine, progress=progress, elsewhere=elsewhere
        )

    def extraction(
        self,
        manifest: Path,
        spec: EncoderSpec,
        store: FeatureStore,
        *,
        device: str,
        workers: int,
        threads: int,
    ) -> Elsewhere:
        """What lets `extract_features` encode and store on the cluster.

        Args:
            manifest: its file.
            spec: of the encoder.
            store: where features go.
            device: ``"auto"``, ``"cpu"`` or ``"cuda"``, of the nodes.
            workers: threads of a process that decode media.
            threads: processor threads of a process.
        """
        from emofuse.cluster.extraction import ClusterExtraction

        return ClusterExtraction(manifest, spec, store.root, device, workers, threads)

    def run(
        self, tasks: Mapping[Path, Task], settings: Sequence[RunSettings], folder: Path, *, finished: Finished
    ) -> None:
        """Run each task on some node; see `Executor` and `run_tasks`."""
        from emofuse.cluster.shared_folders import shared_folders
        from emofuse.cluster.tasks import run_tasks

        with shared_folders(folder, _read_by(settings)) as folders:
            run_tasks(tasks, settings, folders, finished)


def _read_by(settings: Sequence[RunSettings]) -> set[Path]:
    named = {path for each in settings for path in (each.data.manifest, each.data.features)}
    return {path for path in named if path is not None and path.exists()}
