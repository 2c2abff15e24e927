from .run_folder import RunFolder
from .run_record import RunRecord
from .settings import RunSettings

__all__ = ["RunFolder", "RunRecord", "RunSettings"]
