"""Processes of the harness: what they start ends with them, and signals end them in good order."""
