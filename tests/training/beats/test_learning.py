"""Batches for the beat network, training that is stopped and resumed, and the commands about beats."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from runtime.beat_activations import N_FEATURES
from runtime.errors import ModelError, ParameterError, WhichdanceError
from training.beats import learn
from training.beats.evaluate import generated_excerpts
from training.beats.examples import EXCERPT_FRAMES, Annotated, Excerpts, annotated, out_of_time
from training.beats.network import DANCES_TOLD, BeatNetwork
from training.cli import main
from training.data.manifest import of_split, read_manifest, write_manifest
from training.learning.hall import Hall


@pytest.fixture(scope="module")
def recordings(annotated_manifest: Path) -> list[Annotated]:
    found = of_split(read_manifest(annotated_manifest), "train")
    return annotated(found, annotated_manifest.parent / "features")


def test_beats_are_where_the_sound_rises(recordings: list[Annotated]) -> None:
    """Targets against the features of the same batch, which halls, stretching and splices have changed."""
    features, _, targets = Excerpts(recordings, batch_size=24, seed=3, hall=Hall(0.0))(0)
    rise = torch.diff(features, dim=-1, prepend=features[..., :1]).clamp(min=0).sum(dim=1)
    near = torch.nn.functional.max_pool1d(rise[:, None], 5, 1, 2)[:, 0]
    with_beats = targets[:, 0].sum(dim=1) > 10
    assert int(with_beats.sum()) >= 18  # of some there are none: people, and music out of time
    at, apart = (
        near[targets[:, 0] > 0],
        rise[torch.nn.functional.max_pool1d(targets[:, :1], 9, 1, 4)[:, 0] == 0],
    )
    assert at.median() > 5 * apart.median()
    assert bool((targets[:, 1] <= targets[:, 0]).all())  # a one is a beat


def test_a_batch_is_a_function_of_its_number(recordings: list[Annotated]) -> None:
    one, two = (Excerpts(recordings, batch_size=3, seed=1, hall=Hall(0.5)) for _ in range(2))
    one(0)
    for a, b in zip(one(7), two(7), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)
    assert not torch.equal(two(7)[0], two(8)[0])


def test_music_out_of_time_has_no_period() -> None:
    codes = np.zeros((860, 224), np.uint8)
    codes[10::20] = 255
    changed = out_of_time(codes, np.random.default_rng(0))
    assert changed.shape == codes.shape

    def spread(some: np.ndarray) -> float:
        onsets = np.flatnonzero(np.diff((some.max(axis=1) > 100).astype(int)) == 1)
        periods = np.diff(onsets)
        return float(periods.std() / periods.mean())

    assert spread(codes) == 0
    assert spread(changed) > 0.25


def _settings(**changes: object) -> learn.BeatSettings:
    return learn.BeatSettings(**({"steps": 3, "batch_size": 2, "hall": 0.0, "seed": 5} | changes))  # type: ignore[arg-type]


def test_a_training_that_was_stopped_ends_as_one_that_was_not(
    recordings: list[Annotated], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learn, "REPORT_EVERY", 1)
    whole = learn.train(recordings, [], _settings(), tmp_path / "whole.pt", report=lambda line: None)

    class Stopped(Exception):
        pass

    def stop(line: str) -> None:
        if line.startswith("step 2 "):
            raise Stopped

    # the line comes before the file: what is written then is of the step before
    with pytest.raises(Stopped):
        learn.train(recordings, [], _settings(), tmp_path / "parts.pt", report=stop)
    with pytest.raises(ParameterError, match="other settings"):
        learn.train(recordings, [], _settings(seed=6), tmp_path / "parts.pt", resume=True)
    parts = learn.train(
        recordings, [], _settings(), tmp_path / "parts.pt", resume=True, report=lambda line: None
    )
    for key, value in whole.state_dict().items():
        torch.testing.assert_close(parts.state_dict()[key], value, msg=key)
    with pytest.raises(ModelError, match="finished"):
        learn.train(recordings, [], _settings(), tmp_path / "parts.pt", resume=True)
    again, settings = learn.load(tmp_path / "parts.pt")
    assert settings == _settings()
    torch.testing.assert_close(again.head.weight, parts.head.weight)


def test_weights_of_another_kind_are_refused(recordings: list[Annotated], tmp_path: Path) -> None:
    for other in (BeatNetwork("gru"), BeatNetwork(harmony=False)):
        with pytest.raises(ParameterError, match=f"weights of a {other.described} cannot start a tcn$"):
            learn.train(recordings, [], _settings(), tmp_path / "x.pt", start=other)


def test_excerpts_hold_most_of_what_the_network_remembers() -> None:
    """Of shorter ones its oldest memories would be silence while it learns, and anything later."""
    torch.manual_seed(0)
    network = BeatNetwork().eval()
    heard = torch.randn(1, N_FEATURES, 1300)
    changed = heard.clone()
    changed[..., 100] += 10
    dances = torch.zeros(1, len(DANCES_TOLD))
    with torch.no_grad():
        before, after = (network(x, dances, network.initial_state(1))[0] for x in (heard, changed))
    moved = torch.nonzero((before - after).abs().amax(dim=(0, 1))).flatten()
    remembered = int(moved.max()) - 100
    assert 1000 < remembered < 1100  # 24 s
    assert 0.7 * remembered < EXCERPT_FRAMES


def test_what_is_too_short_to_learn_from_is_measured(annotated_manifest: Path, tmp_path: Path) -> None:
    short = [replace(one, end=13.0) for one in read_manifest(annotated_manifest)[:2]]
    write_manifest(tmp_path / "short.csv", short)
    with pytest.raises(WhichdanceError, match="at least 18 s"):
        annotated(short, tmp_path / "features")
    found = generated_excerpts(f"{tmp_path / 'short.csv'}@all", tmp_path / "features")
    assert [round(one.duration) for one in found] == [13, 13]
    assert all(0 < one.beats.times[-1] < 13 for one in found)


def test_the_excerpt_is_shorter_than_the_recordings(recordings: list[Annotated]) -> None:
    assert all(one.stored.n_frames >= EXCERPT_FRAMES for one in recordings)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "said"),
    [
        (
            ("beats-thresholds", "MANIFEST@test", "--negatives", "1", "--constants"),
            ("speech", "music out of time", "NO_BEAT"),
        ),
        (("beats-feedback", "MANIFEST@test"), ("hall 5 dB", "metres")),
        (("beats-evaluate", "MANIFEST@test"), ("dance by the model", "comb at")),
        (("beats-evaluate", "MANIFEST@test", "--told", "--hall", "5"), ("the first 16 s", "hall 5 dB")),
        (("plot", "beats", "RECORDING", "--dance", "quickstep", "-o", "PNG"), ()),
    ],
)
def test_the_commands(
    annotated_manifest: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    command: tuple[str, ...],
    said: tuple[str, ...],
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    replaced = {
        "MANIFEST@test": f"{annotated_manifest}@test",
        "RECORDING": str(annotated_manifest.with_name("quickstep-0.wav")),
        "PNG": str(tmp_path / "beats.png"),
    }
    assert main([replaced.get(word, word) for word in command]) == 0
    printed = capsys.readouterr().out
    for word in said:
        assert word in printed
    if "PNG" in command:
        assert (tmp_path / "beats.png").read_bytes().startswith(b"\x89PNG")


def test_a_dance_that_is_none_is_named(
    annotated_manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recording = str(annotated_manifest.with_name("quickstep-0.wav"))
    assert main(["plot", "beats", recording, "--dance", "walz", "-o", str(tmp_path / "b.png")]) != 0
    assert "walz" in capsys.readouterr().err
