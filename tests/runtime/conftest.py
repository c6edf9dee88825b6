"""Recordings on disk for the tests of the command line."""

from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile

SoundMaker = Callable[..., Path]


@pytest.fixture
def sound(tmp_path: Path, tone) -> SoundMaker:
    """`sound("a/b.flac", "tango", seconds)`: a recording that `tiny_model` takes for that dance."""

    def make(name: str, key: str, seconds: float = 6.0, sample_rate: int = 22_050) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, tone(key, seconds, sample_rate), sample_rate)
        return path

    return make


@pytest.fixture
def music(sound: SoundMaker, tmp_path: Path) -> Path:
    """A folder with three dances, a file that is no recording, one that is too short, and a text file."""
    sound("music/b tango.flac", "tango", 12.0)
    sound("music/a.wav", "rumba")
    sound("music/latin/[jive] :smile:.ogg", "jive", 12.0, 44_100)
    sound("music/short.wav", "samba", 1.0)
    (tmp_path / "music/broken.mp3").write_bytes(b"this is no music" * 100)
    (tmp_path / "music/notes.txt").write_text("not a recording")
    (tmp_path / "music/._a.wav").write_bytes(b"what macOS leaves on memory sticks")
    return tmp_path / "music"
