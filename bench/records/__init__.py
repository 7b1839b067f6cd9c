"""The record of a case, the folder of a run, and the machine they come from."""
