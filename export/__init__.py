"""From a checkpoint of `training` to the file that `runtime` loads, proved to be the same model.

`python -m export CHECKPOINT -o DIR` is the whole of it; `python -m export --help` tells the options.
"""
