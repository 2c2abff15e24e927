"""Pictures of an evaluation; each function takes plain arrays and gives a matplotlib figure."""

from emofuse.evaluation.reporting.figures.bars import (
    Bar,
    Cost,
    draw_costs,
    draw_modalities,
    draw_per_class,
    draw_protocols,
)
from emofuse.evaluation.reporting.figures.confusion import draw_confusion
from emofuse.evaluation.reporting.figures.confusion_difference import draw_confusion_difference
from emofuse.evaluation.reporting.figures.curves import draw_learning_curves
from emofuse.evaluation.reporting.figures.forest import draw_forest
from emofuse.evaluation.reporting.figures.methods import draw_differences, draw_method_scores
from emofuse.evaluation.reporting.figures.patches import draw_kept_patches, kept_levels
from emofuse.evaluation.reporting.figures.ranks import draw_critical_differences
from emofuse.evaluation.reporting.figures.reliability import draw_reliability
from emofuse.evaluation.reporting.figures.save import SavedFigure, save_figure, write_figure
from emofuse.evaluation.reporting.figures.style import emotion_colours
from emofuse.evaluation.reporting.figures.sweeps import draw_sweep_line, draw_sweep_map
from emofuse.evaluation.reporting.figures.timeline import TimelineSegment, draw_timeline

__all__ = [
    "Bar",
    "Cost",
    "SavedFigure",
    "TimelineSegment",
    "draw_confusion",
    "draw_confusion_difference",
    "draw_costs",
    "draw_critical_differences",
    "draw_differences",
    "draw_forest",
    "draw_kept_patches",
    "draw_learning_curves",
    "draw_method_scores",
    "draw_modalities",
    "draw_per_class",
    "draw_protocols",
    "draw_reliability",
    "draw_sweep_line",
    "draw_sweep_map",
    "draw_timeline",
    "emotion_colours",
    "kept_levels",
    "save_figure",
    "write_figure",
]
