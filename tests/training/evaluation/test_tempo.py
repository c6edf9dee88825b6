import csv

import numpy as np
import pytest
import soundfile

from runtime import Classifier
from training import cli
from training.data.manifest import read_manifest
from training.evaluation import tempo


@pytest.fixture
def manifest(tmp_path, tone):
    """A rumba in 96 beats per minute, one whose tempo is not known, and music to none of the ten dances."""
    clock = np.arange(22_050 * 12) / 22_050
    beat = clock % (60 / 96)
    loud = np.where(np.floor(clock / (60 / 96)) % 4 == 0, 1.0, 0.3) * np.exp(-beat / 0.05)
    soundfile.write(tmp_path / "a.wav", tone("rumba", 12.0) * loud, 22_050)
    rows = [("a.wav", "rumba", 96), ("a.wav", "rumba", ""), ("a.wav", "other", 96)]
    with open(tmp_path / "manifest.csv", "w", newline="") as file:
        csv.writer(file).writerows([("path", "dance", "tempo_bpm"), *rows])
    return tmp_path / "manifest.csv"


def test_answers(manifest, tiny_model):
    (answer,) = tempo.answers(read_manifest(manifest), Classifier(tiny_model))
    assert answer.named == "rumba"
    assert answer.given_dance == answer.told == pytest.approx(96, rel=0.01)
    assert [share.value for share in tempo.accuracy([answer]).values()] == [1, 1]


def test_half_tempo_is_wrong():
    half = tempo.TempoTold("rumba", 96, 48.0, 48.0, "rumba")
    unnamed = tempo.TempoTold("rumba", 96, 96.0, None, None)
    given, told = tempo.accuracy([half, unnamed]).values()
    assert (given.right, given.total) == (1, 2)
    assert (told.right, told.total) == (0, 1)


def test_command(manifest, tiny_model, capsys):
    assert cli.main(["tempo", str(manifest), "--model", str(tiny_model)]) == 0
    assert "Rumba" in capsys.readouterr().out


def test_manifest_without_tempi(manifest, tiny_model, capsys):
    manifest.write_text("path,dance\na.wav,rumba\n")
    assert cli.main(["tempo", str(manifest), "--model", str(tiny_model)]) == 1
    assert "tempo_bpm" in capsys.readouterr().err
