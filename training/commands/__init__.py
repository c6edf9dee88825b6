"""The sub-commands of `python -m training`: arguments, progress bars and printing around the modules.

Heavy imports stand inside the functions that run, so that `--help` answers at once.
"""
