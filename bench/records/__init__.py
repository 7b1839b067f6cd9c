"""The records of cases, the folder of a run, and descriptions of the machine."""
