"""Tidy tables of raw numbers, computed from records; no formatting and no plots."""
