"""One family of errors: whatever goes wrong for a reason the user can mend is a `WhichdanceError`."""


class WhichdanceError(Exception):
    """Base of all errors that name what is wrong and what to do about it."""


class AudioError(WhichdanceError):
    """A recording cannot be decoded or is not fit to be classified."""


class ModelError(WhichdanceError):
    """A model file is missing, damaged, or does not fit this runtime."""


class ParameterError(WhichdanceError, ValueError):
    """An argument is outside its range; the message names it and the range."""
