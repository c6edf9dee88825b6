"""The sequences that Node replays too: what they say is what the runtime says, and they reach the corners."""

import json

import pytest

from runtime.evidence import MAX_PARTS, MEMORY_UPDATES, EvidenceSettings, Follower
from tests.shared.vectors import FAST, FOLDER, KINDS, SETTINGS, N, Random, observations

ALL = [(name, kind) for name, kinds in KINDS.items() for kind in kinds]


@pytest.fixture(scope="module")
def stored():
    return {name: json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8")) for name in KINDS}


def same(a, b):
    """Equal, floating-point numbers to within a millionth and one of the third digit."""
    if isinstance(a, float) or isinstance(b, float):
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
    replay(stored, name, kind, range(100))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "kind"), ALL)
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
    assert sum(row["seed"] % 10 == 0 for row in sequences) * 300 > MEMORY_UPDATES
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


def test_some_dances_are_named_again_within_fifteen_seconds():
    resumed = 0
    for seed in range(10, 100, 10):
        random = Random(seed)
        n_states = 2 + random.below(11)
        follower = Follower(EvidenceSettings(**SETTINGS[random.below(3)]), n_states)
        for observation in observations(random, n_states, 300, 20.0):
            before, begun = follower.current, follower.begun
            follower.update(observation)
            resumed += before is None and follower.current is not None and follower.begun == begun
    assert resumed > 3


def test_the_settings_are_in_the_files(stored):
    for name in ("evidence", "answer"):
        assert stored[name]["settings"] == [*SETTINGS, FAST]
