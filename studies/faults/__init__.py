"""What faults cost: signals, broken workers, full disks, damaged files, and two of everything.

    python -m studies.faults FOLDER --seed 0 --tries 5
    python -m studies.faults FOLDER --seed 0 --tries 5 --kinds disk SIGKILL
    python -m studies.faults FOLDER --tries 0

A try sets up a small run, injects one fault, and then resumes or repeats what was disturbed. It is
checked that every finished case has its record once, with the numbers of an undisturbed run; that
no process, worktree or temporary file is left behind; and that every command ends with a documented
exit code and a clear message. Each try is one line of `tries.jsonl`; a stopped study continues
where it stopped. A new kind of fault is one entry in the table `KINDS` of its family.

`python -m studies.faults.fuzz` feeds damaged files and command lines to the readers.
"""
