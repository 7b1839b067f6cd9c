"""How often the guard is wrong, and how often the rules of other tools are, on the same launches.

    python -m studies.guard_rates collect FOLDER --head same 5% 10% 20% --blocks 110 [--busy]
    python -m studies.guard_rates collect FOLDER --head same --blocks 270 [--busy]
    python -m studies.guard_rates faults FOLDER
    python -m studies.guard_rates table FOLDER

`collect` measures as a comparison does. A block consists of a fresh process of the base and one of
each head, in random order. A head is the same code, or does 5, 10 or 20% of real extra work in each
update. Each block is one line of `quiet.jsonl` or `busy.jsonl`; an interrupted collection continues
where it stopped. `faults` runs `compare` against every fault of learning, gradients and parity.
`table` replays the rules on the launches and compresses the records.
"""
