import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from runtime.aggregate import RunningMean


@given(st.lists(st.integers(1, 7), min_size=1, max_size=9))
def test_running_mean_is_the_arithmetic_mean(sizes):
    scores = np.random.default_rng(0).dirichlet(np.ones(10), sum(sizes)).astype(np.float32)
    mean = RunningMean(10)
    for part in np.split(scores, np.cumsum(sizes)[:-1]):
        mean.update(part)
    assert mean.count == len(scores)
    np.testing.assert_allclose(mean.mean, scores.mean(axis=0, dtype=np.float64))


def test_before_the_first_segment_there_is_no_mean():
    assert np.isnan(RunningMean(10).mean).all()
