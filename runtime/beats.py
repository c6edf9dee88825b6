"""When the beats are, and which of them is the one."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from runtime.errors import ParameterError


@dataclass(frozen=True)
class Beats:
    """Beats of a recording; empty where the music has none.

    Attributes
    ----------
    times : tuple of float
        Seconds from the start of the recording, rising.
    positions : tuple of int
        Of each beat in its bar: 1 is the one.

    Raises
    ------
    ParameterError
        If they do not belong together.
    """

    times: tuple[float, ...] = ()
    positions: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if len(self.times) != len(self.positions):
            raise ParameterError(f"{len(self.times)} times of beats, but {len(self.positions)} positions")
        if any(not a < b for a, b in pairwise(self.times)) or any(t != t or t < 0 for t in self.times):
            raise ParameterError("times of beats must rise, from 0")
        if any(p < 1 for p in self.positions):
            raise ParameterError("positions of beats are counted from 1")

    @property
    def downbeats(self) -> tuple[float, ...]:
        """Times of the ones."""
        return tuple(t for t, p in zip(self.times, self.positions, strict=True) if p == 1)

    @classmethod
    def of(cls, times: Iterable[float], positions: Iterable[int]) -> "Beats":
        """From arrays."""
        return cls(tuple(float(t) for t in times), tuple(int(p) for p in positions))
