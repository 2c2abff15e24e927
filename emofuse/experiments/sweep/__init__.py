"""A grid of settings, chosen on the validation part alone."""

from emofuse.experiments.sweep.grid import Axis, GridPoint, grid_points, parse_axis
from emofuse.experiments.sweep.run import Sweep, SweptPoint, sweep
from emofuse.experiments.sweep.tables import sweep_table, write_sweep

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
