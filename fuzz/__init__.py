"""Odd input by machine: configs, sweeps, `--set`, tables, arrays and run folders that nobody would write, and what becomes of them.

Each case is a function of a seed and its number: `python -m fuzz --seed 1 --case 17` does it again. `make fuzz` runs 20,000 and writes
`docs/fuzz.json`; the tests run 500. A case passes if the command ends by itself within ten seconds of CPU and two GiB, done or
refused in a sentence, has written nothing outside its run folder, and what it accepted is what was asked for.
"""
