"""The sequences that Node replays too: what they say is what the runtime says, and they reach the corners."""

import json

import pytest

from runtime import answer, evidence, live, tempo
from runtime.evidence import MAX_PARTS
from tests.shared.vectors import ALL_SETTINGS, FOLDER, KINDS, N, Random

ALL = [(name, kind) for name, kinds in KINDS.items() for kind in kinds]
LENGTHY = ("evidence", "tempo", "beats")  # a hundred of these, and the others in the slow tests


@pytest.fixture(scope="module")
def stored():
    return {name: json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8")) for name in KINDS}


def same(a, b):
    """Equal, floating-point numbers to within a millionth and one of the third digit."""
    if {type(a), type(b)} in ({float}, {float, int}):
        return a == pytest.approx(b, rel=1e-6, abs=1.1e-3)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    return a == b


def replay(stored, name, kind, seeds):
    assert len(stored[name][kind]) == N
    wrong = [seed for seed in seeds if not same(KINDS[name][kind](seed), stored[name][kind][seed])]
    assert wrong == []


@pytest.mark.parametrize(("name", "kind"), ALL)
def test_they_are_what_the_runtime_says(stored, name, kind):
    replay(stored, name, kind, range(100 if name in LENGTHY else N))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "kind"), [(name, kind) for name, kind in ALL if name in LENGTHY])
def test_all_of_them_are(stored, name, kind):
    replay(stored, name, kind, range(100, N))


def test_the_generator_is_the_published_one():
    """mulberry32 as in JavaScript; its first numbers from seed 1, by Node."""
    random = Random(1)
    assert [random() for _ in range(3)] == pytest.approx(
        [0.6270739405881613, 0.002735721180215478, 0.5274470399599522], abs=1e-15
    )


def test_they_reach_the_corners(stored):
    sequences = stored["evidence"]["sequences"]
    assert sum(row["begun"] > MAX_PARTS == row["kept"] for row in sequences) == 2
    assert max(row["begun"] for row in sequences[2:]) > 3
    assert sum(row["pairs"][0] for row in sequences) > 10  # cut off by a name
    assert sum(len(row["pairs"]) > 1 + min(4, row["pairs"][0]) for row in sequences) > 30  # or going on
    assert {letter for text in stored["answer"]["naming"] for letter in text[::4]} == set("DTN-")
    assert {letter for text in stored["answer"]["grading"] for letter in text} == set("cpq-")
    pieces = [piece for row in stored["live"]["sequences"] for piece in row[0].split()]
    assert max(int(piece[1:]) for piece in pieces if piece[0] == "g") >= 300  # a mute
    assert any(int(piece[1:]) >= 300 for piece in pieces if piece[0] == "z")  # that goes on
    joined = [bounds for bounds, *_ in stored["tempo"]["sequences"] if len(bounds.split()) == 6]
    assert len(joined) > 300
    assert sum(row[-1] is not None for row in stored["tempo"]["sequences"]) > 300


OTHERS = [  # a number of the runtime, a neighbour of it, and seeds that tell them apart
    (evidence, "MEMORY_UPDATES", 127, "evidence", "sequences", range(2, 4)),
    (evidence, "MEMORY_UPDATES", 129, "evidence", "sequences", range(2, 4)),
    (evidence, "RESUME_SECONDS", 14.0, "evidence", "sequences", range(4, 10)),
    (evidence, "RESUME_SECONDS", 16.0, "evidence", "sequences", range(4, 10)),
    (evidence, "MAX_PARTS", 999, "evidence", "sequences", range(2)),
    (evidence, "LEAST_SCORE", 2e-4, "evidence", "sequences", range(10, 20)),
    (answer, "PROBABLY_FROM", 0.71, "answer", "grading", range(N)),
    (answer, "QUITE_SURE_FROM", 0.91, "answer", "grading", range(N)),
    (answer, "QUITE_SURE_SECONDS", 11.0, "answer", "grading", range(N)),
    (answer, "MARGIN", 0.11, "answer", "grading", range(N)),
    (live, "MUTED_SECONDS", 2.9, "live", "sequences", range(N)),
    (live, "MUTED_SECONDS", 3.1, "live", "sequences", range(N)),
    (live, "CLIPPED", 0.99, "live", "sequences", range(N)),
    (live, "CLIPPED_SAMPLES", 7, "live", "sequences", range(N)),
    (live, "CLIPPED_SAMPLES", 9, "live", "sequences", range(N)),
    (live, "QUIET_DB", -51.0, "live", "sequences", range(N)),
    (live, "FLOOR_DB", -61.0, "live", "sequences", range(10)),
    (live, "WINDOW_SECONDS", 2.1, "live", "sequences", range(N)),
    (tempo, "MAX_LAG", 287, "tempo", "sequences", range(10)),
    (tempo, "MIN_FRAMES", 169, "tempo", "sequences", range(1, N, 10)),
    (tempo, "MIN_FRAMES", 175, "tempo", "sequences", range(1, N, 10)),
    (tempo, "BAR_WEIGHT", 2.5, "tempo", "sequences", range(100)),
    (tempo, "PRIOR_WEIGHT", 0.03, "tempo", "sequences", range(100)),
    (tempo, "DYNAMIC_RANGE", 1e-5, "tempo", "sequences", range(100)),
]


@pytest.mark.parametrize(
    ("module", "number", "other", "name", "kind", "seeds"), OTHERS, ids=lambda value: str(value)[-20:]
)
def test_another_number_is_noticed(monkeypatch, stored, module, number, other, name, kind, seeds):
    """So the sequences reach what the number decides: the memory's end, 15 s, a mute of 3 s."""
    monkeypatch.setattr(module, number, other)
    assert any(not same(KINDS[name][kind](seed), stored[name][kind][seed]) for seed in seeds)


def test_the_settings_are_in_the_files(stored):
    for name in ("evidence", "answer"):
        assert stored[name]["settings"] == ALL_SETTINGS
