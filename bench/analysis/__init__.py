"""Tidy tables from records; knows nothing of how they are shown."""
