"""The morning report: one HTML page that needs nothing else, escaped everywhere, readable on a phone and on paper."""

from flows.report.page import render, write_report

__all__ = ["render", "write_report"]
