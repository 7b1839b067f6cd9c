"""Runs cases in worker processes and writes their records."""
