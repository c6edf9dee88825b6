"""People in the orchestra: who of the two archives plays in a recording."""

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from training.synthesis import grooves, tunes
from training.synthesis.form import Form

DRUMMER_SHARE = 0.8  # of the recordings whose style has drummers that fit
TUNE_SHARE = 0.6  # of the recordings whose style is played with written tunes


@dataclass(frozen=True)
class Cast:
    """The people of one recording; None where the orchestra does without.

    Attributes
    ----------
    drummer : Drummer or None
    tune : Singing or None
    """

    drummer: grooves.Drummer | None = None
    tune: tunes.Singing | None = None


NOBODY = Cast()


@dataclass(frozen=True)
class Humans:
    """The two archives."""

    drummers: grooves.Grooves
    tunes: tunes.Tunes

    def cast(self, form: Form, rng: np.random.Generator) -> Cast:
        """Who plays in a recording.

        Parameters
        ----------
        form : Form
        rng : Generator
            Of its own: what the rest of the orchestra draws does not change.
        """
        with_drummer, with_tune = rng.random(2)
        drumming, singing = rng.spawn(2)
        style = form.style
        drummer = tune = None
        if style.drummers and with_drummer < DRUMMER_SHARE:
            drummer = self.drummers.draw(form, drumming)
        if style.tunes and with_tune < TUNE_SHARE:
            tune = self.tunes.draw(form, singing)
        return Cast(drummer, tune)


@lru_cache
def load(folder: Path) -> Humans:
    """The archives in a folder: groove.zip and openewld.zip.

    Raises
    ------
    ArchiveError
        If one is missing, or is not what it should be.
    """
    return Humans(grooves.Grooves(folder), tunes.Tunes(folder))


def fingerprint(folder: Path) -> str:
    """What of a corpus's settings stands for the archives: a hash, wherever they lie."""
    digest = hashlib.sha256()
    for name in (grooves.ARCHIVE, tunes.ARCHIVE):
        digest.update((folder / name).read_bytes())
    return digest.hexdigest()[:16]
