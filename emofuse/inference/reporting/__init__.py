"""The report of one run."""

from emofuse.inference.reporting.run_report import write_run_report

__all__ = ["write_run_report"]
