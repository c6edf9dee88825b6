"""A tiny generated collection: three dances of clicks that differ in tempo and pitch, seconds each."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from numpy.typing import NDArray
from torch.utils._python_dispatch import TorchDispatchMode

from training.data.codec import STORED
from training.data.manifest import Recording, write_manifest
from training.data.store import Store, Stored

SAMPLE_RATE = 22_050
CLICKS = {  # beats per minute, Hz of the accented beat, beats per bar
    "rumba": (100, 300.0, 4),
    "quickstep": (200, 1200.0, 4),
    "viennese_waltz": (175, 4000.0, 3),
}
SPLITS = ("train", "train", "train", "validation", "test")


def clicks(
    bpm: float, pitch: float, beats_per_bar: int, *, seconds: float = 7.0, seed: int = 0
) -> NDArray[np.float32]:
    """Decaying tones on every beat, louder and at `pitch` on the first of a bar, over soft noise."""
    rng = np.random.default_rng(seed)
    n = round(seconds * SAMPLE_RATE)
    samples = rng.normal(0, 0.002, n)
    time = np.arange(4000) / SAMPLE_RATE
    beats = np.arange(rng.uniform(0, 0.3), seconds, 60 / bpm)
    for i, start in enumerate(beats):
        first = int(start * SAMPLE_RATE)
        accented = i % beats_per_bar == 0
        tone = np.sin(2 * np.pi * (pitch if accented else 2 * pitch) * time) * np.exp(-time * 30)
        part = samples[first : first + len(tone)]
        part += (0.6 if accented else 0.3) * tone[: len(part)]
    return samples.astype(np.float32)


@pytest.fixture(scope="session")
def write_clicks() -> Callable[..., None]:
    """`write_clicks(path, dance, seed=0, seconds=7.0)` writes an audio file in the format of its suffix."""

    def write(path: Path, dance: str, *, seed: int = 0, seconds: float = 7.0) -> None:
        bpm, pitch, beats = CLICKS[dance]
        jitter = np.random.default_rng([seed, 1]).uniform(0.97, 1.03)
        soundfile.write(path, clicks(bpm * jitter, pitch, beats, seconds=seconds, seed=seed), SAMPLE_RATE)

    return write


@pytest.fixture(scope="session")
def manifest(tmp_path_factory: pytest.TempPathFactory, write_clicks: Callable[..., None]) -> Path:
    """A manifest of 15 recordings: per dance three for training, one for validation, one for testing."""
    folder = tmp_path_factory.mktemp("collection")
    recordings = []
    for dance in CLICKS:
        for i, split in enumerate(SPLITS):
            path = folder / f"{dance}-{i}.wav"
            write_clicks(path, dance, seed=i)
            recordings.append(Recording(path, dance, split, source="clicks"))
    write_manifest(folder / "manifest.csv", recordings)
    return folder / "manifest.csv"


@pytest.fixture(scope="session")
def stored(manifest: Path) -> tuple[Stored, ...]:
    """The recordings of `manifest` with their spectrograms."""
    from training.data.manifest import read_manifest

    return Store(manifest.parent / "features").collect(read_manifest(manifest)).stored


@pytest.fixture(scope="session")
def splits(stored: tuple[Stored, ...]) -> dict[str, list[Stored]]:
    """`stored` by split."""
    return {name: [s for s in stored if s.recording.split == name] for name in set(SPLITS)}


@pytest.fixture(scope="session")
def power(stored: tuple[Stored, ...]) -> torch.Tensor:
    """Segments of mel power, shape (3, 1, 224, 224)."""
    return torch.from_numpy(np.stack([STORED.decode(s.codes())[:224].T[None] for s in stored[::5]]))


class _NoDoubles(TorchDispatchMode):
    """Every result is in at most 32 bits, unless it is on the CPU."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, tuple | list) else [result]:
            if isinstance(tensor, torch.Tensor) and tensor.device.type != "cpu":
                assert tensor.dtype not in (torch.float64, torch.complex128), func
        return result


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[torch.Tensor]]:
    """What was asked back from the meta device, which has nothing: zeros are given."""
    fetched: list[torch.Tensor] = []

    def cpu(tensor: torch.Tensor) -> torch.Tensor:
        fetched.append(tensor)
        return torch.zeros(tensor.shape, dtype=tensor.dtype)

    def item(tensor: torch.Tensor) -> Any:
        return known(tensor) if tensor.device.type == "cpu" else float(tensor.cpu().numpy())

    known = torch.Tensor.item
    monkeypatch.setattr(torch.Tensor, "cpu", cpu)
    monkeypatch.setattr(torch.Tensor, "item", item)
    with _NoDoubles():
        yield fetched
