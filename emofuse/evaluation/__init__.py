"""Protocols and their leak audit, metrics with intervals, comparisons, and the reports made of them."""

from emofuse.evaluation.comparison.paired import Comparison, compare_predictions
from emofuse.evaluation.metrics.aggregation import Aggregate, MeanSd, aggregate
from emofuse.evaluation.metrics.calibration import (
    apply_temperature,
    expected_calibration_error,
    fit_temperature,
    reliability_table,
)
from emofuse.evaluation.metrics.classification import ClassificationReport, PerClass, classification_report
from emofuse.evaluation.metrics.sentiment import SentimentReport, sentiment_report
from emofuse.evaluation.protocols.audit import LeakReport, audit
from emofuse.evaluation.protocols.split_files import read_split_file, write_split_file
from emofuse.evaluation.protocols.splits import PROTOCOLS, ProtocolInfo, Split, protocol_note, splits

__all__ = [
    "PROTOCOLS",
    "Aggregate",
    "ClassificationReport",
    "Comparison",
    "LeakReport",
    "MeanSd",
    "PerClass",
    "ProtocolInfo",
    "SentimentReport",
    "Split",
    "aggregate",
    "apply_temperature",
    "audit",
    "classification_report",
    "compare_predictions",
    "expected_calibration_error",
    "fit_temperature",
    "protocol_note",
    "read_split_file",
    "reliability_table",
    "sentiment_report",
    "splits",
    "write_split_file",
]
