"""The tables of a study, as Markdown."""
