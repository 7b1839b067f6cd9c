"""How time and memory grow with the number of records and cases.

    python -m studies.growth measure FOLDER --base REVISION
    python -m studies.growth measure FOLDER --base REVISION --commands report --counts 100000
    python -m studies.growth table FOLDER

`measure` runs four commands of this checkout and, with `--base`, of an earlier revision, in turns
and each in a fresh process. `report` writes all tables of a run; `start` begins a run beside
another one, up to its first case; `plan` plans a run of many launches; `run` measures many cases
that cost next to nothing. The records are written for the purpose: those of a published run, with
all their samples, at as many sizes as it takes. Each measurement is one line of
`measurements.jsonl`: seconds, and the most memory that the process or one of its workers held.

`table` writes `table.md` from all measurements: medians of both sides.
"""
