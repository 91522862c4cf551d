"""A run on known pictures as one HTML file that explains itself, offline."""

from __future__ import annotations

from res2clip.report.contents import CategoryResult, Report
from res2clip.report.page import render_report, write_report

__all__ = ["CategoryResult", "Report", "render_report", "write_report"]
