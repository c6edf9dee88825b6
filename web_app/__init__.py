"""whichdance in the browser: a static page of plain ES modules, the shipped model and onnxruntime-web.

Python's part is to build it: everything that the front end, the segments, the evidence and the dances are
defined by is exported from `runtime` (`web_app.definition`); JavaScript holds only the arithmetic.
"""
