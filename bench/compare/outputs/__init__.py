"""The verdict for people and for machines, one format a module."""
