"""Two commits in the same run."""

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from benchmarks import against
from benchmarks.against import compare, interval_of_median
from benchmarks.cli import main
from benchmarks.report import Column, Figures, Row, Section
from benchmarks.revision import ROOT
from benchmarks.timing import Spread
from runtime.errors import WhichdanceError

in_a_clone = pytest.mark.skipif(not (ROOT / ".git").exists(), reason="needs a clone")


def test_the_interval_holds_the_median_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    for n in (6, 9, 20):
        drawn = rng.exponential(size=(4000, n))  # median ln 2, and as skewed as times are
        held = [low <= np.log(2) <= high for low, high in map(interval_of_median, drawn.tolist())]
        assert np.mean(held) > 0.945
    assert interval_of_median([3.0]) == (3.0, 3.0)
    assert interval_of_median([3.0, 1.0, 2.0]) == (1.0, 3.0)
    # Of 20 the binomial distribution gives the sixth and the fifteenth: 95.9 %.
    assert interval_of_median([float(i) for i in range(1, 21)]) == (6.0, 15.0)


def section(seconds: float, *, rows: Sequence[str] = ("mp3", "flac")) -> Section:
    columns = (Column("what", "what"), Column("threads", "threads"), Column("time", "time", "ms"))
    table: list[Row] = [{"what": w, "threads": 2, "time": Spread(seconds, 0, 1, 9)} for w in rows]
    return Section("live", "Live", {"runs": 9}, [Figures("times", columns, table)])


@in_a_clone
def test_commits_take_turns_and_rows_are_told_by_their_words(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[bool, tuple[str, ...]]] = []
    ours, theirs = itertools.count(1), itertools.count(1)

    def measured(tree: Path, name: str, words: Sequence[str]) -> Section:
        here = tree == ROOT
        assert (tree / "runtime").is_dir()
        asked.append((here, (name, *words)))
        if here:
            return section(0.001 * next(ours))
        return section(0.002 * next(theirs), rows=("wav", "mp3"))  # another order, and no flac

    monkeypatch.setattr(against, "_measured", measured)
    found = compare("live", ["--seconds", "60"], against="HEAD", rounds=3)
    assert [here for here, _ in asked] == [True, False] * 3
    assert {words for _, words in asked} == {("live", "--seconds", "60")}
    assert found.name == "live --against HEAD"
    (row,) = found.tables[0].rows
    assert (row["what"], row["figure"]) == ("mp3, threads 2", "time")
    assert (row["now"], row["before"]) == ("2 ms", "4 ms")
    assert row["ratio"] == pytest.approx(0.5)
    assert row["interval"] == "0.5 to 0.5"
    assert "of fewer, the range" in found.notes[0]


@in_a_clone
def test_what_the_other_commit_cannot_measure_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(against, "PACKAGES", Path("nowhere"))
    with pytest.raises(WhichdanceError, match=r"`benchmarks live` of this commit says: .*least 6"):
        compare("live", ["--seconds", "1"], against="HEAD", rounds=1)


@pytest.mark.slow
@in_a_clone
def test_the_front_end_of_two_commits(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--seconds", "6", "--runs", "1", "--sample-rates", "22050", "--rounds", "1"]
    assert main(["frontend", *words, "--against", "HEAD"]) == 0
    shown = capsys.readouterr().out
    assert "22.05 kHz, runtime.mel" in shown
    assert "95 %" in shown
