"""Runs units of work in worker processes and writes their records."""
