import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime import segments
from runtime.errors import ParameterError
from runtime.mel import FRAME_RATE


def numbered(n_frames):
    """Frames whose every value is their index, so that a window shows where it was cut."""
    return np.repeat(np.arange(n_frames, dtype=np.float32)[:, None], 224, axis=1)


def test_windows_are_the_thesis_segments():
    cut = segments.windows(numbered(1_000))
    assert cut.shape == (4, 1, 224, 224)  # starts 0, 200, 400, 600
    np.testing.assert_array_equal(cut[:, 0, 0, 0], [0, 200, 400, 600])
    np.testing.assert_array_equal(cut[2, 0, 5], np.arange(400, 624))  # a row is a band over time


def test_windows_are_a_view():
    frames = numbered(1_000)
    assert np.shares_memory(segments.windows(frames), frames)


def test_too_short_gives_no_window():
    assert segments.windows(numbered(223)).shape == (0, 1, 224, 224)
    assert segments.windows(numbered(224)).shape == (1, 1, 224, 224)


@settings(max_examples=80, deadline=None)
@given(
    chunks=st.lists(st.integers(0, 400), max_size=12),
    stride=st.integers(1, 500),
    width=st.integers(1, 300),
)
def test_stream_cuts_what_windows_cuts(chunks, stride, width):
    frames = numbered(sum(chunks))
    whole = segments.windows(frames, width, stride)
    stream = segments.SegmentStream(width, stride)
    starts, times = [], []
    for part in np.split(frames, np.cumsum(chunks)):
        cut, at = stream.push(part)
        starts += cut[:, 0, 0, 0].tolist()
        times += at
        assert len(stream.pending) < width + stride
    assert starts == whole[:, 0, 0, 0].tolist()
    np.testing.assert_allclose(times, np.array(starts) / FRAME_RATE)


def test_padding_repeats():
    frames = numbered(100)
    np.testing.assert_array_equal(segments.padded(frames, 224)[:, 0], np.arange(224) % 100)


@pytest.mark.parametrize("stride", [0, -3, 1.5])
def test_bad_stride_is_named(stride):
    with pytest.raises(ParameterError, match="stride"):
        segments.windows(numbered(300), 224, stride)


def test_bad_shape_is_named():
    with pytest.raises(ParameterError, match="frames"):
        segments.windows(np.zeros((224, 300), np.float32))
