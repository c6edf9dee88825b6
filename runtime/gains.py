"""What a model's answers were before something was taught and are after it, in words and a table."""

import math
from dataclasses import dataclass

from runtime.dances import OTHER, dance

MOST_CONFUSIONS = 5


@dataclass(frozen=True)
class Gains:
    """Answers for recordings whose dance is known.

    Attributes
    ----------
    filed : tuple of str
        Their labels.
    before, after : tuple of str
        What they were and are taken for.
    """

    filed: tuple[str, ...]
    before: tuple[str, ...]
    after: tuple[str, ...]

    def right(self, label: str | None = None) -> tuple[int, int]:
        """How many answers were right before and are after; of one label, or of all."""
        before, after = (
            sum(f == a for f, a in zip(self.filed, answers, strict=True) if label in (None, f))
            for answers in (self.before, self.after)
        )
        return before, after

    def confusions(self) -> list[tuple[str, str, int]]:
        """What is still taken for what (label, answer, how often), the most frequent first."""
        counts: dict[tuple[str, str], int] = {}
        for f, a in zip(self.filed, self.after, strict=True):
            if f != a:
                counts[f, a] = counts.get((f, a), 0) + 1
        return [(*pair, n) for pair, n in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]

    def lines(self, explained: str) -> list[str]:
        """The table, per dance with an interval, what its columns are, and the largest confusions."""
        lines = [f"{'dance':24}{'before':>12}{'after':>12}   of    after, 95 %"]
        labels = sorted(set(self.filed), key=lambda label: (label == OTHER, label))
        for label in [*labels, None]:
            before, after = self.right(label)
            n = len(self.filed) if label is None else self.filed.count(label)
            low, high = wilson(after, n)
            name = "all" if label is None else called(label)
            lines.append(f"{name:24}{before:12}{after:12}{n:5}    {100 * low:.0f} to {100 * high:.0f} %")
        lines.append(explained)
        for filed, answer, times in self.confusions()[:MOST_CONFUSIONS]:
            lines.append(f"still taken: {called(filed)} for {called(answer)}, {times} times")
        return lines


def called(label: str) -> str:
    """A label as people read it."""
    return "none of these" if label == OTHER else dance(label).name


def wilson(right: int, total: int, z: float = 1.959964) -> tuple[float, float]:
    """95 % interval of a share of right answers (Wilson 1927); 0 to 1 of nothing."""
    if not total:
        return 0.0, 1.0
    share = right / total
    middle = (share + z**2 / (2 * total)) / (1 + z**2 / total)
    half = z / (1 + z**2 / total) * math.sqrt(share * (1 - share) / total + z**2 / (4 * total**2))
    return max(0.0, middle - half), min(1.0, middle + half)
