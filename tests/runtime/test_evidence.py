"""The evidence model against brute force, scipy's matrix exponential, and properties that it must have."""

import copy
import itertools
import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import expm

from runtime.evidence import (
    MEMORY_UPDATES,
    Chain,
    EvidenceSettings,
    Follower,
    Observation,
    divide,
)
from runtime.mel import FRAME_RATE

SEGMENT = 224 / FRAME_RATE
PLAIN = EvidenceSettings(temperature=1.0)


def observations(rows, stride=43):
    """Segments with these scores, `stride` frames apart."""
    ends = SEGMENT + stride / FRAME_RATE * np.arange(len(rows))
    new = [SEGMENT] + [min(stride / FRAME_RATE, SEGMENT)] * (len(rows) - 1)
    return [
        Observation(end - SEGMENT, end, seconds, np.asarray(row))
        for end, seconds, row in zip(ends, new, rows, strict=True)
    ]


def row(state, n_states=4, score=0.7):
    scores = np.full(n_states, (1 - score) / (n_states - 1))
    scores[state] = score
    return scores


def generator(settings, n_states):
    """Rate matrix of the chain, state by state as the docstring says it: an independent reading."""
    phases = settings.phases
    rate = phases * settings.change_per_second
    q = np.zeros((phases * n_states, phases * n_states))
    for phase, state in itertools.product(range(phases), range(n_states)):
        here = phase * n_states + state
        q[here, here] -= rate
        if phase + 1 < phases:
            q[here, here + n_states] += rate
        else:
            for other in range(n_states):
                if other != state:
                    q[here, other] += rate / (n_states - 1)
    return q


@pytest.mark.parametrize("phases", [1, 2, 3])
@pytest.mark.parametrize("seconds", [0.02, 1.0, 60.0, 7200.0])
def test_transition_is_the_matrix_exponential(phases, seconds):
    settings = EvidenceSettings(phases=phases, change_per_second=1 / 40)
    chain = Chain(settings, 4)
    p = np.random.default_rng(0).dirichlet(np.ones(phases * 4)).reshape(phases, 4)
    exact = expm(generator(settings, 4) * seconds)
    np.testing.assert_allclose(chain.after(p, seconds).ravel(), p.ravel() @ exact, atol=1e-9)
    np.testing.assert_allclose(chain.before(p, seconds).ravel(), exact @ p.ravel(), atol=1e-9)


@given(st.floats(0, 50), st.floats(0, 50))
def test_two_short_times_are_one_long_time(first, second):
    chain = Chain(PLAIN, 3)
    p = np.array([[0.5, 0.2, 0.1], [0.05, 0.05, 0.1]])
    np.testing.assert_allclose(
        chain.after(chain.after(p, first), second), chain.after(p, first + second), atol=1e-9
    )


@pytest.mark.parametrize("phases", [1, 2])
def test_whole_recording_is_brute_force_over_all_paths(phases):
    settings = EvidenceSettings(phases=phases, change_per_second=1 / 5, temperature=1.0, none_bias=0.3)
    rows = np.random.default_rng(phases).dirichlet(np.ones(3) * 2, size=5)
    heard = observations(rows, stride=100)
    size = 3 * phases
    step = expm(generator(settings, 3) * 100 / FRAME_RATE)
    biased = np.log(rows) + np.array([0, 0, 0.3])
    weights = [settings.weight * o.seconds for o in heard]
    likelihood = [np.tile(np.exp(w * b), phases) for w, b in zip(weights, biased, strict=True)]
    posterior, best, best_path = np.zeros((5, 3)), -1.0, None
    for path in itertools.product(range(size), repeat=5):
        p = (path[0] < 3) / 3 * likelihood[0][path[0]]
        for t in range(1, 5):
            p *= step[path[t - 1], path[t]] * likelihood[t][path[t]]
        for t, place in enumerate(path):
            posterior[t, place % 3] += p
        if p > best:
            best, best_path = p, [place % 3 for place in path]
    posterior /= posterior.sum(axis=1, keepdims=True)
    found, spans = divide(settings, heard)
    np.testing.assert_allclose(found, posterior, atol=1e-8)
    states = [next(s.state for s in spans if s.start <= o.centre <= s.end) for o in heard]
    assert states == best_path
    follower = Follower(settings, 3)
    for observation in heard:
        follower.update(observation)
    np.testing.assert_allclose(follower.posterior, posterior[-1], atol=1e-8)  # the end knows all in both


@given(st.sampled_from([10, 43, 86, 200]), st.floats(0.3, 0.95))
@settings(deadline=None)
def test_any_stride_is_the_same_evidence(stride, score):
    reference = Follower(PLAIN, 4)
    other = Follower(PLAIN, 4)
    n = 600 // stride * stride  # frames after which both have heard the same
    for observation in observations([row(1, score=score)] * (n + 1), stride=1):
        reference.update(observation)
    for observation in observations([row(1, score=score)] * (n // stride + 1), stride=stride):
        other.update(observation)
    np.testing.assert_allclose(other.posterior, reference.posterior, atol=0.02)


@pytest.mark.parametrize("phases", [1, 2])
def test_a_constant_stream_grows_and_converges(phases):
    follower = Follower(EvidenceSettings(phases=phases, temperature=1.0), 4)
    course = []
    for observation in observations([row(2, score=0.5)] * 400):
        follower.update(observation)
        course.append(follower.posterior[2])
    # With two phases it may sink a little again: a dance that has lasted is likelier to end.
    assert np.all(np.diff(course) > (-1e-9 if phases == 1 else -1e-3))
    assert course[-1] == pytest.approx(course[-50], abs=1e-3)
    assert course[0] < 0.8 < course[-1] < 1


@given(st.permutations(range(6)))
@settings(deadline=None, max_examples=20)
def test_order_of_equal_segments_does_not_matter_without_change(order):
    settled = EvidenceSettings(change_per_second=1e-12, temperature=1.0)
    rows = np.random.default_rng(4).dirichlet(np.ones(4), size=6)

    def end(these):
        follower = Follower(settled, 4)
        heard = observations([row(0), *these])
        for observation in heard:
            follower.update(observation)
        return follower.posterior

    np.testing.assert_allclose(end(rows), end(rows[list(order)]), atol=1e-9)


def test_it_lets_go_and_says_where_the_change_was():
    follower = Follower(EvidenceSettings(), 4)
    heard = observations([row(0)] * 60 + [row(1)] * 40)
    named = []
    for observation in heard:
        follower.update(observation)
        named.append(follower.current)
    first = named.index(1)
    assert named[59] == 0
    assert first - 60 < 12  # seconds, though the first dance was played for a minute
    assert [span.state for span in follower.spans] == [0, 1]
    change = (heard[59].centre + heard[60].centre) / 2
    assert follower.spans[0].start == 0
    assert follower.spans[0].end == pytest.approx(change, abs=1.1)
    assert follower.spans[1].start == pytest.approx(change, abs=1.1)
    assert follower.spans[1].end == heard[-1].end


def test_named_late_and_let_go_early_has_two_thresholds():
    settings = EvidenceSettings(name_at=0.8, release_at=0.3, temperature=1.0, change_per_second=1 / 30)
    follower = Follower(settings, 3)
    seen_between = False
    for observation in observations([row(0, 3)] * 30 + [np.full(3, 1 / 3)] * 60):
        follower.update(observation)
        if 0.35 < follower.posterior[0] < 0.75 and len(follower.spans):
            seen_between = True
            assert follower.current == 0  # below the one, above the other
    assert seen_between
    assert follower.posterior[0] < 0.8


def test_a_name_that_comes_back_at_once_is_the_same_part():
    follower = Follower(EvidenceSettings(name_at=0.7, release_at=0.6, temperature=1.0), 3)
    for observation in observations([row(0, 3)] * 30 + [row(2, 3, 0.6)] * 5 + [row(0, 3)] * 30):
        follower.update(observation)
    assert [s.state for s in follower.spans if s.state == 0] == [0]


@pytest.mark.parametrize("hours", [2, pytest.param(24, marks=pytest.mark.slow)])
def test_memory_and_work_stay_constant(hours):
    follower = Follower(EvidenceSettings(), 22)
    rng = np.random.default_rng(0)
    rows = rng.dirichlet(np.ones(22) * 0.3, size=512)
    n = hours * 3600

    def heard(i: int) -> Observation:
        return Observation(i, i + SEGMENT, 1.0, rows[(i // 97) % 512])

    tracemalloc.start()
    for i in range(n):
        if i == 1000:
            before = tracemalloc.get_traced_memory()[0]
            young = copy.deepcopy(follower)
        follower.update(heard(i))
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert len(follower._recent) == MEMORY_UPDATES
    assert grown < 2_000_000
    # in turn, so that a busy machine slows both
    took: dict[Follower, list[float]] = {young: [], follower: []}
    for i in range(300):
        for one, times in took.items():
            start = time.perf_counter()
            one.update(heard(i + (1000 if one is young else n)))
            times.append(time.perf_counter() - start)
    assert np.median(took[follower]) < 1.5 * np.median(took[young])


@pytest.mark.parametrize(
    "text", ["[]", "1", '{"weight": true}', '{"phases": 2.5}', '{"release_at": 0.9}', '{"temperature": 0}']
)
def test_malformed_settings_are_refused(text):
    with pytest.raises(ValueError, match="evidence"):
        EvidenceSettings.from_json(text)


def test_settings_survive_json():
    made = EvidenceSettings(weight=0.123, phases=3, name_at=0.77)
    assert EvidenceSettings.from_json(made.to_json()) == made
