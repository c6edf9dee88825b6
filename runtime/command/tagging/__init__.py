"""Fields of music files as bytes: some are replaced, all that others wrote stays as it is.

A module per kind of file. Each has `write`, and `others`: what may not change when fields are written, in
pieces that are compared before and after. Of libraries for tags none keeps all of that: texts in another
encoding, types that are not known, fields that come twice, pictures whose type is wrong.
"""
