"""A generated ballroom orchestra: endless labelled recordings of the ten dances, and of what is none of them.

`styles` (data) -> `arrangement` (who plays what, when) -> `rendering` (sound of each player) -> `mixing` (one
recording) -> `corpus` (many). docs/orchestra.md explains how it works and where the patterns come from.
"""
