from .run_folder import RunFolder, RunRecord
from .settings import RunSettings

__all__ = ["RunFolder", "RunRecord", "RunSettings"]
