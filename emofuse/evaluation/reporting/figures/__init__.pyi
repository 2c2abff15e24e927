from .bars import Bar, Cost, draw_costs, draw_modalities, draw_per_class, draw_protocols
from .confusion import draw_confusion
from .confusion_difference import draw_confusion_difference
from .curves import draw_learning_curves
from .forest import draw_forest
from .methods import draw_differences, draw_method_scores
from .patches import draw_kept_patches, kept_levels
from .ranks import draw_critical_differences
from .reliability import draw_reliability
from .save import SavedFigure, save_figure, write_figure
from .style import emotion_colours
from .sweeps import draw_sweep_line, draw_sweep_map
from .timeline import TimelineSegment, draw_timeline

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
