"""The morning report: one HTML page that needs nothing else, escaped everywhere, readable on a phone and on paper."""

from flows.report.drift_pictures import DriftPictures, draw_drift
from flows.report.page import render, render_drift, render_retrieval, write_report

__all__ = ["DriftPictures", "draw_drift", "render", "render_drift", "render_retrieval", "write_report"]
