"""By which runs' settings a benchmark's linear models are fitted: kept, so that a system that is added later changes none."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from emofuse.data.atomic import write_text_aside
from emofuse.data.stored_files import DamagedFileError, stored_json
from emofuse.runs.run_folder import RunFolder


class _Source(BaseModel):
    """A system, and its run within the benchmark's folder."""

    system: str
    run: Annotated[str, Field(pattern=r"^runs/[^/]+/point-\d+/seed-\d+$")]


_SOURCES = TypeAdapter(dict[str, _Source])


@dataclass(frozen=True)
class LinearSources:
    """linear-models.json of a benchmark's folder."""

    folder: Path

    @property
    def file(self) -> Path:
        """linear-models.json."""
        return self.folder / "linear-models.json"

    def choose(self, groups: Mapping[str, Mapping[str, RunFolder]]) -> dict[str, tuple[str, RunFolder]]:
        """Features → the system and the run whose settings their linear models take; those of an earlier call come first.

        For new features it is the first system by name: the order in which systems were asked for must not choose. Where an
        earlier version began the benchmark, and kept no such file, it is the system that has the linear models' table.

        Args:
            groups: features → system → a finished run of it in this benchmark.

        Raises:
            EmofuseError: what an earlier call has kept is damaged.
        """
        held = self._read()
        kept = {each: held[each] for each in held if self._run(held[each]).weights_file.exists()}
        for features, runs in groups.items():
            if features not in kept:
                # A pool leaves such a table in each of its runs, which says nothing.
                fitted = [
                    s for s in runs if runs[s].baselines_file.exists() and not runs[s].linear_file.exists()
                ]
                first = min(fitted or runs)
                place = runs[first].path.relative_to(self.folder).as_posix()
                kept[features] = _Source(system=first, run=place)
        if kept != held:
            content = {features: source.model_dump() for features, source in kept.items()}
            write_text_aside(self.file, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
        return {each: (kept[each].system, self._run(kept[each])) for each in kept if each in groups}

    def _run(self, source: _Source) -> RunFolder:
        return RunFolder(self.folder / source.run)

    def _read(self) -> dict[str, _Source]:
        if not self.file.exists():
            return {}
        advice = "remove it, and the first systems by name are taken"
        try:
            return _SOURCES.validate_python(stored_json(self.file, advice))
        except ValidationError as error:
            first = error.errors()[0]
            reason = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
            raise DamagedFileError(self.file, reason, advice) from None
