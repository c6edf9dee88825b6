from collections.abc import Callable

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from runtime.errors import ParameterError
from training.data.duplicates import (
    best_correlations,
    direct_correlation,
    find_duplicates,
    spectrogram,
    without_duplicates,
)
from training.data.manifest import Recording
from training.data.store import Store, Stored

RATE = 22_050


def song(seed: int, seconds: float = 14.0) -> NDArray[np.float32]:
    """A random melody of harmonic tones with drums, the same tempo for every seed."""
    rng = np.random.default_rng(seed)
    samples = rng.normal(0, 0.003, round(seconds * RATE))
    beat = 0.25
    time = np.arange(round(beat * RATE)) / RATE
    for i in range(int(seconds / beat)):
        pitch = 220 * 2 ** (rng.integers(0, 24) / 12)
        tone = sum(np.sin(2 * np.pi * k * pitch * time) / k for k in range(1, 8)) * np.exp(-6 * time)
        drum = rng.normal(size=len(time)) * np.exp(-60 * time) * (i % 2)
        first = round(i * beat * RATE)
        samples[first : first + len(time)] += 0.1 * tone + 0.2 * drum
    return samples.astype(np.float32)


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Callable[[dict[str, NDArray]], list[Stored]]:
    """`collection(samples by name)`: recordings in the store, dances from the start of the names."""
    folder = tmp_path_factory.mktemp("songs")

    def make(samples: dict[str, NDArray]) -> list[Stored]:
        recordings = []
        for name, values in samples.items():
            path = folder / f"{name}.{'mp3' if 'mp3' in name else 'wav'}"
            options = {"compression_level": 0.9} if path.suffix == ".mp3" else {}
            soundfile.write(path, values, RATE, **options)
            recordings.append(Recording(path, name.split("-")[0]))
        return list(Store(folder / "features").collect(recordings).stored)

    return make


def test_finds_a_shifted_reencoded_louder_copy_and_no_other_song(
    collection: Callable[[dict[str, NDArray]], list[Stored]],
) -> None:
    one, two = song(1), song(2)
    first = collection({"jive-1": one, "jive-2": two})
    late = np.concatenate([np.zeros(2 * RATE, np.float32), 2.5 * one])[: len(one)]
    second = collection({"jive-copy-mp3": late, "jive-3": song(3)})
    pairs = find_duplicates(first, second)
    assert [(p.first.path.stem, p.second.path.stem) for p in pairs] == [("jive-1", "jive-copy-mp3")]
    assert pairs[0].correlation > 0.8
    assert abs(pairs[0].shift + round(2 * RATE / 512)) <= 3  # the copy starts 2 s later; MP3 adds some delay
    kept = without_duplicates([s.recording for s in first], pairs)
    assert [r.path.stem for r in kept] == ["jive-2"]


def test_only_within_a_class_unless_asked(collection: Callable[[dict[str, NDArray]], list[Stored]]) -> None:
    first, second = collection({"jive-4": song(4)}), collection({"tango-4": song(4)})
    assert find_duplicates(first, second) == []
    assert len(find_duplicates(first, second, within_class=False)) == 1


def test_batched_is_the_direct_loop() -> None:
    rng = np.random.default_rng(0)
    first = [rng.normal(size=(224, n)).astype(np.float32) + 3 for n in (250, 300, 224)]
    second = [
        np.concatenate([first[0][:, 7:], first[1]], axis=1),
        rng.normal(size=(224, 240)).astype(np.float32),
    ]
    correlation, shift = best_correlations(first, second, 30)
    for i, a in enumerate(first):
        for j, b in enumerate(second):
            expected, expected_shift = direct_correlation(a, b, 30)
            assert correlation[i, j] == pytest.approx(expected, abs=1e-5)
            assert shift[i, j] == expected_shift
    assert shift[0, 0] == 7
    assert correlation[0, 0] == pytest.approx(1, abs=1e-4)


def test_shift_beyond_the_end_is_no_match() -> None:
    rng = np.random.default_rng(1)
    short = [rng.normal(size=(224, 20)).astype(np.float32)]
    correlation, _ = best_correlations(short, short, 50)
    assert correlation[0, 0] == pytest.approx(1, abs=1e-4)


def test_silence_is_like_nothing() -> None:
    silent = np.zeros((224, 230), np.float32)
    correlation, _ = best_correlations([silent], [silent], 10)
    assert correlation[0, 0] == -1


def test_loudness_and_equalisation_do_not_count(stored: tuple[Stored, ...]) -> None:
    image = spectrogram(stored[0])
    assert np.abs(image.mean(axis=1)).max() < 1e-3


def test_parameters_are_checked(stored: tuple[Stored, ...]) -> None:
    with pytest.raises(ParameterError, match="threshold"):
        find_duplicates(stored, stored, threshold=2)
    with pytest.raises(ParameterError, match="max_shift"):
        find_duplicates(stored, stored, max_shift=-1)
