"""A microphone's hour, shortened."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchmarks import listening, sounds
from runtime.mel import Float32
from runtime.model import Model
from tests.conftest import ModelMaker


@pytest.mark.parametrize("lengths", [(), (224, 448)])
def test_an_update_a_second_and_the_sound_to_its_end(
    lengths: tuple[int, ...], make_tiny_model: ModelMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[int] = []

    def run(model: Model, batch: Float32, original: Callable[..., Float32] = Model.run) -> Float32:
        heard.extend([batch.shape[3]] * len(batch))
        return original(model, batch)

    monkeypatch.setattr(Model, "run", run)
    tiny_model = make_tiny_model(context_frames=lengths)
    np.save(tmp_path / "sound.npy", sounds.music(8, listening.SAMPLE_RATE)[:, 0])
    found = listening.listen(str(tiny_model), str(tmp_path / "sound.npy"), 10.0, 1)
    assert [round(60 * minutes) for minutes, _ in found["memory"]] == [8, 16]  # whole repetitions
    assert found["updates"] in (11, 12)  # the first after a segment of 5.2 s
    assert 0 < found["p50"] <= found["p99"] <= found["worst"]
    assert found["network"] > 0
    alone = {length: heard.count(length) for length in set(heard)}
    assert set(alone) == set(lengths or (224,))
    assert alone[224] >= 2 * found["updates"]  # on the way, and alone
    assert alone.get(448, 24) >= 2 * found["updates"] - 6
    assert found["cpu_share"] > 0
