"""A tiny annotated collection: clicks with their beats beside them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from runtime import beat_files
from runtime.beats import Beats
from training.data.manifest import Recording, write_manifest


@pytest.fixture(scope="session")
def annotated_manifest(tmp_path_factory: pytest.TempPathFactory, write_clicks: Callable[..., None]) -> Path:
    """A manifest of 6 recordings of 19 s with `.beats` beside them: of quicksteps and Viennese waltzes."""
    folder = tmp_path_factory.mktemp("annotated")
    recordings = []
    for dance, bpm, beats in (("quickstep", 200, 4), ("viennese_waltz", 175, 3)):
        for seed, split in enumerate(("train", "validation", "test")):
            path = folder / f"{dance}-{seed}.wav"
            write_clicks(path, dance, seed=seed, seconds=19.0)
            period = 60 / (bpm * np.random.default_rng([seed, 1]).uniform(0.97, 1.03))  # as `write_clicks`
            rng = np.random.default_rng(seed)
            rng.normal(0, 0.002, 19 * 22_050)
            times = np.arange(rng.uniform(0, 0.3), 19.0, period)
            beat_files.write(path.with_suffix(".beats"), Beats.of(times, np.arange(len(times)) % beats + 1))
            recordings.append(Recording(path, dance, split, source="clicks"))
    write_manifest(folder / "manifest.csv", recordings)
    return folder / "manifest.csv"
