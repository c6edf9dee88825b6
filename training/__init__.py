"""Training, data and evaluation: everything that sections 3.2 to 4.7 of the thesis describe.

`python -m training --help` is the map.
"""
