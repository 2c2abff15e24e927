"""A grid of settings, chosen on the validation part alone."""

from emofuse.training.sweep.grid import Axis, GridPoint, grid_points, parse_axis
from emofuse.training.sweep.run import Sweep, SweptPoint, sweep
from emofuse.training.sweep.tables import sweep_table, write_sweep

__all__ = [
    "Axis",
    "GridPoint",
    "Sweep",
    "SweptPoint",
    "grid_points",
    "parse_axis",
    "sweep",
    "sweep_table",
    "write_sweep",
]
