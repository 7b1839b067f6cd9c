"""Presentation of the tables: terminal, Markdown, LaTeX, CSV and plots."""

FORMATS = ("markdown", "csv", "latex", "plots")
"""The formats of the command `report`."""
