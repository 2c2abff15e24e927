"""What a run is: its settings, its task, its folder on disk."""

from emofuse.runs.run_folder import RunFolder, RunRecord
from emofuse.runs.settings import RunSettings

__all__ = ["RunFolder", "RunRecord", "RunSettings"]
