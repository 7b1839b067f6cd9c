"""Presentation of the tables: terminal, Markdown, LaTeX, CSV and plots."""
