"""What callers are told while a network is trained. Imports no torch."""

from dataclasses import dataclass
from typing import Any


@dataclass
class Progress:
    """Where a run stands; handed to the caller after every batch.

    Attributes
    ----------
    epoch : int
        Finished epochs.
    batches : int
        Finished batches of this call.
    loss, accuracy : float
        Means over the epoch so far.
    images_per_second : float
        Over this call, evaluations not counted.
    waited : float
        Share of that time spent waiting for the next batch.
    """

    epoch: int
    batches: int
    loss: float
    accuracy: float
    images_per_second: float
    waited: float


class Watcher:
    """What is told while a network is trained, in the first process; this one keeps silent."""

    def report(self, progress: Progress) -> None:
        """After every batch."""

    def evaluating(self, split: str, done: int, total: int) -> None:
        """During evaluations: recordings of a split done, and in all."""

    def evaluated(self, entry: dict[str, Any]) -> None:
        """After every evaluation, with its entry of the history."""
