"""Measurements on the reader's own machine, always beside a peer measured in the same run.

`python -m benchmarks --help` lists them; `benchmarks/README.md` shows the latest figures.
"""
