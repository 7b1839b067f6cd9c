"""How often the guard is wrong, and how often the rules of other tools are, on the same launches.

    python -m studies.guard_rates collect FOLDER --state quiet --trials 100
    python -m studies.guard_rates collect FOLDER --state busy --trials 100
    python -m studies.guard_rates collect FOLDER --state bimodal --trials 100
    python -m studies.guard_rates time FOLDER
    python -m studies.guard_rates faults FOLDER
    python -m studies.guard_rates table FOLDER

`collect` measures as a comparison does. A trial consists of a fresh process of the base and one of
each head, which take turns. A head is the same code, or does 3, 5, 7, 10 or 20% of real extra work
in each update; the amount of work is calibrated before the first collection, on a machine that must
be quiet. Each trial is one line of `quiet.jsonl`, `busy.jsonl` or `bimodal.jsonl`; an interrupted
collection continues where it stopped.

`time` measures how long comparisons take. `faults` runs `compare` against every fault of learning,
gradients and parity. `table` replays the rules on the launches and compresses the records.
"""
