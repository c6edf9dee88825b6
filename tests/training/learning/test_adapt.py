"""Fine-tuning on one's own music, from an exported file to a table, and its steps."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import training.commands.adapt
import training.learning.average
from runtime.errors import WhichdanceError
from training.cli import main
from training.data.manifest import Recording, write_manifest
from training.data.store import Stored
from training.learning import adapt
from training.networks.models import build, load_checkpoint, save_checkpoint

OPTIONS = {"classes": ("rumba", "quickstep"), "branches": ("mel",), "trunk": "dense", "width": 0.7}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Normalisation is measured on fewer batches."""
    monkeypatch.setattr(training.learning.average, "N_BATCHES", 2)


@pytest.fixture
def start(tmp_path: Path) -> Path:
    """A network that knows two of the dances, by name at least."""
    torch.manual_seed(0)
    save_checkpoint(tmp_path / "model.pt", build("rhythmogram", **OPTIONS), "rhythmogram", OPTIONS)
    return tmp_path / "model.pt"


def test_from_start_to_table(
    start: Path,
    manifest: Path,
    tmp_path: Path,
    write_clicks: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A new dance is learnt from recordings without splits, while others are rehearsed."""
    monkeypatch.setattr(training.commands.adapt, "BATCHES", 12)
    monkeypatch.setattr(training.commands.adapt, "BATCH_SIZE", 8)
    own = []
    for dance in ("viennese_waltz", "rumba"):
        for i in range(10):
            path = tmp_path / f"{dance}-{i}.wav"
            write_clicks(path, dance, seed=50 + i)
            own.append(Recording(path, dance, source="mine"))
    write_manifest(tmp_path / "mine.csv", own)
    out = tmp_path / "out"
    command = ["adapt", str(tmp_path / "mine.csv"), "--rehearse", str(manifest), "--start", str(start)]
    options = ["--epochs", "2", "--lr", "3e-3", "--hall", "0", "--workers", "0"]
    assert main([*command, "-o", str(out), *options]) == 0, capsys.readouterr().err
    said = capsys.readouterr().out
    assert "12 to learn from, 4 to choose by, 4 to test on" in said
    assert [int(n) for n in said.split("Viennese Waltz")[1].split()[:3]] == [0, 2, 2]
    assert "of the rehearsed kinds" in said
    _, checkpoint = load_checkpoint(out / "adapted.pt")
    assert checkpoint["labels"] == ["quickstep", "rumba", "viennese_waltz"]


def test_ones_own_and_rehearsed_are_alike_in_number(stored: tuple[Stored, ...]) -> None:
    own = [replace(s, recording=replace(s.recording, source="mine")) for s in stored[:3]]  # rumbas
    drawn = adapt.together(own, stored, ("rumba", "quickstep", "viennese_waltz"))
    counts = Counter((s.recording.dance, s.recording.source) for s in drawn)
    assert counts == {
        ("rumba", "mine"): 6, ("rumba", "clicks"): 5, ("quickstep", "clicks"): 5,
        ("viennese_waltz", "clicks"): 5,
    }  # fmt: skip


def test_no_song_is_in_two_parts(stored: tuple[Stored, ...]) -> None:
    without = [replace(s, recording=replace(s.recording, split="")) for s in stored]
    parts = adapt.divided(without)
    files = [{s.file for s in part} for part in (parts.train, parts.validation, parts.test)]
    assert sum(map(len, files)) == len(set.union(*files)) == len(stored)
    assert all(files)
    by_split = adapt.divided(stored)
    assert {s.recording.split for s in by_split.test} == {"test"}
    with pytest.raises(WhichdanceError, match="2 recordings cannot be divided"):
        adapt.divided(without[:2])


def test_what_is_forgotten_decides_the_share(
    start: Path, splits: dict[str, list[Stored]], tmp_path: Path
) -> None:
    """Of a network that fine-tuning broke as little as may be is taken."""
    network, checkpoint = load_checkpoint(start)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(3 * torch.randn_like(parameter))
    save_checkpoint(tmp_path / "broken.pt", network, "rhythmogram", checkpoint["options"])
    parts = splits["validation"], splits["test"]
    share = adapt.averaged(tmp_path / "broken.pt", start, *parts, tmp_path / "out.pt")
    _, kept = load_checkpoint(tmp_path / "out.pt")
    losses = []
    for tried in adapt.SHARES:
        adapt.average(tmp_path / "broken.pt", start, [*parts[0], *parts[1]], tmp_path / "t.pt", share=tried)
        losses.append(
            sum(adapt.loss(load_checkpoint(tmp_path / "t.pt")[0], kept["labels"], x) for x in parts)
        )
    assert share == adapt.SHARES[losses.index(min(losses))]
    assert kept["training"]["averaged"]["share"] == share
