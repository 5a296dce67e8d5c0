"""Reports: what a fit found, for people."""

from steepest.report.html import write_report

__all__ = ["write_report"]
