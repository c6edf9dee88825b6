"""Dance and tempo in music files: where players look, never at the price of the music."""

import hashlib
import json
import os
import shutil
import signal
import stat
import struct
import subprocess
import sys
from pathlib import Path

import mutagen
import numpy as np
import pytest
import soundfile
from mutagen.id3 import ID3, TBPM, TIT2, TXXX
from mutagen.mp4 import MP4

from runtime import audio
from runtime.command import cli, tags
from runtime.dances import DANCE_KEYS
from runtime.errors import WhichdanceError
from runtime.prediction import Outcome, Prediction

VALUES = {"DANCE": "Cha Cha", "BPM": "124"}
SUFFIXES = [".flac", ".ogg", ".opus", ".mp3", ".wav", ".aiff", ".m4a", ".wma", ".wv"]
BY_FFMPEG = (".m4a", ".wma", ".wv")


@pytest.fixture
def recording(tmp_path, tone):
    """`recording(".mp3")`: a recording with a title tag, in a format with a place for tags."""

    def make(suffix: str, name: str = "song") -> Path:
        path = tmp_path / f"{name}{suffix}"
        samples = np.stack([tone("rumba", 3, 48_000), tone("tango", 3, 48_000)], axis=1)
        if suffix in BY_FFMPEG:
            if shutil.which("ffmpeg") is None:
                pytest.skip("needs ffmpeg")
            soundfile.write(tmp_path / "source.wav", samples, 48_000)
            command = [
                "ffmpeg",
                "-v",
                "error",
                "-y",
                "-i",
                tmp_path / "source.wav",
                "-metadata",
                "title=Song",
            ]
            subprocess.run([*command, path], check=True)
            (tmp_path / "source.wav").unlink()
        else:
            opus = {"format": "OGG", "subtype": "OPUS"} if suffix == ".opus" else {}
            soundfile.write(path, samples, 48_000, **opus)
            file = mutagen.File(path)
            if file.tags is None:
                file.add_tags()
            if isinstance(file.tags, ID3):
                file.tags.add(TIT2(encoding=3, text="Song"))
            else:
                file.tags["title"] = "Song"
            file.save()
        return path

    return make


def _samples_hash(path: Path) -> str:
    """Of all channels, unlike the check of `runtime.command.tags` itself; some need ffmpeg there and here."""
    if path.suffix in BY_FFMPEG:
        return hashlib.sha256(audio.read(path)[0].tobytes()).hexdigest()
    return hashlib.sha256(soundfile.read(path, dtype="float64")[0].tobytes()).hexdigest()


def _found(path: Path) -> dict[str, str]:
    """DANCE, BPM and title where BallroomDJ reads them, by mutagen alone."""
    file = mutagen.File(path)
    if isinstance(file, MP4):
        names = {"DANCE": "----:BDJ4:DANCE", "BPM": "tmpo", "title": "\xa9nam"}
        found = {key: file.tags[name][0] for key, name in names.items() if name in file.tags}
        return {
            key: value.decode() if isinstance(value, bytes) else str(value) for key, value in found.items()
        }
    if isinstance(file.tags, ID3):
        names = {"DANCE": "TXXX:DANCE", "BPM": "TBPM", "title": "TIT2"}
    elif path.suffix == ".wma":
        names = {"DANCE": "DANCE", "BPM": "WM/BeatsPerMinute", "title": "Title"}
    else:
        names = {"DANCE": "DANCE", "BPM": "BPM", "title": "TITLE"}
    return {key: str(file.tags[name][0]) for key, name in names.items() if name in file.tags}


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_tags_stand_where_players_look_and_the_sound_stays(recording, suffix):
    path = recording(suffix)
    before = _samples_hash(path)
    changes = tags.write_tags(path, VALUES)
    assert _found(path) == VALUES | {"title": "Song"}
    assert _samples_hash(path) == before
    assert [change.written for change in changes] == [True, True]
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_existing_values_stay_unless_overwritten(recording, suffix):
    path = recording(suffix)
    tags.write_tags(path, {"DANCE": "Foxtrot"})
    changes = tags.write_tags(path, VALUES)
    assert [(change.existing, change.written) for change in changes] == [("Foxtrot", False), (None, True)]
    assert _found(path) == {"DANCE": "Foxtrot", "BPM": "124", "title": "Song"}
    tags.write_tags(path, VALUES, overwrite=True)
    assert _found(path) == VALUES | {"title": "Song"}


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_dry_run_and_a_second_run_touch_nothing(recording, suffix):
    path = recording(suffix)
    before = (path.read_bytes(), path.stat().st_mtime_ns)
    assert all(change.written for change in tags.write_tags(path, VALUES, dry_run=True))
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
    tags.write_tags(path, VALUES)
    before = (path.read_bytes(), path.stat().st_mtime_ns)
    assert not any(change.written for change in tags.write_tags(path, VALUES, overwrite=True))
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before


def test_files_without_any_tags_get_some(tmp_path, tone):
    for suffix in (".mp3", ".wav", ".flac"):
        path = tmp_path / f"bare{suffix}"
        soundfile.write(path, tone("rumba", 3, 44_100), 44_100)
        tags.write_tags(path, VALUES)
        assert _found(path) == VALUES


def test_a_tempo_of_zero_is_no_value(recording):
    path = recording(".mp3")
    file = mutagen.File(path)
    file.tags.add(TBPM(encoding=3, text="0"))
    file.save()
    tags.write_tags(path, VALUES)
    assert _found(path)["BPM"] == "124"


def test_other_spellings_of_the_frame_count_as_existing_and_are_not_doubled(recording):
    path = recording(".mp3")
    file = mutagen.File(path)
    file.tags.add(TXXX(encoding=3, desc="Dance", text="Salsa"))
    file.save()
    assert tags.write_tags(path, VALUES)[0].existing == "Salsa"
    tags.write_tags(path, VALUES, overwrite=True)
    assert [frame.desc for frame in mutagen.File(path).tags.getall("TXXX")] == ["DANCE"]


def test_the_version_of_id3_stays(recording):
    path = recording(".mp3")
    mutagen.File(path).save(v2_version=3)
    tags.write_tags(path, VALUES)
    assert ID3(path, translate=False).version == (2, 3, 0)
    assert _found(path) == VALUES | {"title": "Song"}


def test_permissions_and_links_stay(recording, tmp_path):
    path = recording(".flac")
    path.chmod(0o604)
    link = tmp_path / "link.flac"
    link.symlink_to(path)
    tags.write_tags(link, VALUES)
    assert link.is_symlink()
    assert stat.S_IMODE(path.stat().st_mode) == 0o604
    assert _found(path) == VALUES | {"title": "Song"}


def test_formats_without_a_place_are_refused_by_name(tmp_path, tone):
    path = tmp_path / "song.au"
    soundfile.write(path, tone("rumba", 3), 22_050)
    before = path.read_bytes()
    with pytest.raises(WhichdanceError, match=r"song\.au: its format has no place"):
        tags.write_tags(path, VALUES)
    assert path.read_bytes() == before


def test_a_write_that_changes_the_sound_is_undone(recording, monkeypatch):
    path = recording(".wav")
    before = path.read_bytes()

    def clumsy(file: mutagen.FileType, values: dict[str, str], path: Path) -> None:
        soundfile.write(path, np.zeros((48_000, 2)), 48_000)

    monkeypatch.setattr(tags, "_write", clumsy)
    with pytest.raises(WhichdanceError, match="new tags would change its sound"):
        tags.write_tags(path, VALUES)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]


KILLED = """
import os, signal, sys
from runtime.command import tags
def die(*_): os.kill(os.getpid(), signal.SIGKILL)
if sys.argv[2] == "before the tags": tags._write = die
elif sys.argv[2] == "half a file":
    def half(file, values, path): os.truncate(file.filename, os.path.getsize(file.filename) // 2); die()
    tags._write = half
elif sys.argv[2] == "before the comparison": tags._Kept.difference = die
elif sys.argv[2] == "before the replacement": os.replace = die
tags.write_tags(sys.argv[1], {"DANCE": "Tango", "BPM": "128"})
"""


@pytest.mark.parametrize(
    "moment", ["before the tags", "half a file", "before the comparison", "before the replacement"]
)
def test_a_kill_half_way_leaves_the_file_intact(recording, moment):
    path = recording(".mp3")
    before = path.read_bytes()
    result = subprocess.run([sys.executable, "-c", KILLED, path, moment])
    assert result.returncode == -signal.SIGKILL
    assert path.read_bytes() == before
    # What the killed run left behind is hidden, and is not taken for music. The next one removes it.
    assert cli.find_recordings([str(path.parent)])[0] == [str(path)]
    tags.write_tags(path, VALUES)
    assert list(path.parent.iterdir()) == [path]


def test_what_cannot_be_read_back_is_undone(recording, monkeypatch):
    path = recording(".flac")
    before = path.read_bytes()
    monkeypatch.setattr(tags, "_write", lambda *_: None)
    with pytest.raises(WhichdanceError, match="the tags could not be read back"):
        tags.write_tags(path, VALUES)
    assert path.read_bytes() == before


def test_other_programs_tags_are_not_lost(recording, monkeypatch):
    path = recording(".flac")
    copy = shutil.copy2

    def meanwhile(source, target):
        player = mutagen.File(source)
        player.tags["DANCE"] = "Rumba"
        player.save()
        return copy(source, target)

    monkeypatch.setattr(shutil, "copy2", meanwhile)
    with pytest.raises(WhichdanceError, match="another program changed"):
        tags.write_tags(path, VALUES, overwrite=True)
    assert _found(path)["DANCE"] == "Rumba"


@pytest.mark.parametrize("error", [struct.error("unpack requires 4 bytes"), IndexError("x"), KeyError()])
def test_whatever_mutagen_throws_names_the_file(recording, monkeypatch, error):
    path = recording(".wav")

    def throw(*_, **__):
        raise error

    monkeypatch.setattr(mutagen, "File", throw)
    with pytest.raises(WhichdanceError, match=r"song\.wav: its tags cannot be written \(damaged") as raised:
        tags.write_tags(path, VALUES)
    assert "4 bytes" not in str(raised.value)


def test_a_streamed_file_takes_tags_once_it_is_mended_as_we_say(recording, tmp_path):
    streamed, mended = tmp_path / "streamed.wav", tmp_path / "mended.wav"
    ffmpeg = ["ffmpeg", "-loglevel", "error", "-i"]
    with streamed.open("wb") as file:
        subprocess.run([*ffmpeg, recording(".wav"), "-f", "wav", "-"], stdout=file, check=True)
    with pytest.raises(WhichdanceError, match=r"streamed\.wav: its tags cannot be written \(.*-c copy NEW"):
        tags.write_tags(streamed, VALUES)
    subprocess.run([*ffmpeg, streamed, "-c", "copy", mended], check=True)
    tags.write_tags(mended, VALUES)
    assert _found(mended)["DANCE"] == VALUES["DANCE"]


def test_hard_links_are_said(make_prediction, recording, tmp_path):
    path = recording(".flac")
    (tmp_path / "other.flac").hardlink_to(path)
    said = []
    writer = tags.TagWriter(0.5, overwrite=False, dry_run=False, say=said.append)
    writer.add(Outcome(str(path), make_prediction()))
    assert said[0] == f"{path}: its 1 other names (hard links) keep the file without these tags"
    assert "DANCE" not in _found(tmp_path / "other.flac")
    assert _found(path)["DANCE"] == "Tango"


@pytest.mark.skipif(shutil.which("ffprobe") is None, reason="ffprobe reads tags by its own code")
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_ffprobe_finds_the_dance_too(recording, suffix):
    path = recording(suffix)
    tags.write_tags(path, VALUES)
    command = ["ffprobe", "-v", "error", "-of", "json", "-show_entries", "format_tags:stream_tags", path]
    found = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    everything = found["format"].get("tags", {}) | found["streams"][0].get("tags", {})
    assert {name.upper(): value for name, value in everything.items()}["DANCE"] == "Cha Cha"


def _prediction(key: str, **more: object) -> Prediction:
    scores = {one: 0.9 if one == key else 0.01 for one in DANCE_KEYS}
    options = {"dance": key, "tempo_bpm": 123.6, "tempo_mpm": 30.9, "metre": "4/4"} | more
    return Prediction(
        verdict="not sure" if options["dance"] is None else "dance",
        confidence=0.9,
        best=key,
        scores=scores,
        segment_times=(0.0,),
        segment_scores=np.array([list(scores.values())], np.float32),
        segment_seconds=5.2,
        duration=5.2,
        **options,
    )


@pytest.mark.parametrize(
    ("prediction", "values"),
    [
        (_prediction("cha_cha_cha"), {"DANCE": "Cha Cha", "BPM": "124"}),
        (_prediction("slow_foxtrot"), {"DANCE": "Foxtrot", "BPM": "124"}),
        (_prediction("slow_waltz"), {"DANCE": "Waltz", "BPM": "124"}),
        (_prediction("tango"), {"DANCE": "Tango", "BPM": "124"}),
        (_prediction("tango", tempo_bpm=None, tempo_mpm=None), {"DANCE": "Tango"}),
        (_prediction("tango", dance=None), {}),
    ],
)
def test_values_are_spelt_as_players_spell_them(prediction, values):
    assert tags.tag_values(prediction) == values


@pytest.fixture
def whichdance(tiny_model, capsys):
    def run(*arguments: str | Path) -> tuple[int, list[str]]:
        status = cli.main(["--model", str(tiny_model), "--write-tags", *map(str, arguments)])
        return status, capsys.readouterr().err.splitlines()

    return run


def test_the_command_writes_tags(whichdance, sound):
    path = sound("song.flac", "tango", 12.0)
    assert whichdance("--dry-run", path)[1][0] == f"whichdance: {path}: would write DANCE=Tango"
    assert "DANCE" not in _found(path)
    status, lines = whichdance(path)
    assert (status, lines[0]) == (0, f"whichdance: {path}: wrote DANCE=Tango")
    assert _found(path)["DANCE"] == "Tango"
    assert whichdance(path) == (0, [])


def test_the_command_keeps_existing_values(whichdance, sound):
    path = sound("song.flac", "tango", 12.0)
    tags.write_tags(path, {"DANCE": "Salsa", "BPM": "1"})
    status, lines = whichdance(path)
    assert status == 0
    assert lines[0] == f"whichdance: {path}: kept DANCE=Salsa, not Tango (--overwrite)"
    assert _found(path)["DANCE"] == "Salsa"
    whichdance("--overwrite", path)
    assert _found(path)["DANCE"] == "Tango"


def test_the_command_writes_only_above_the_confidence(whichdance, sound):
    path = sound("song.flac", "tango", 12.0)
    status, lines = whichdance("--min-confidence", "0.999", path)
    assert status == 0
    assert "no tags; not sure, its confidence is only 0.99" in lines[0]
    assert "DANCE" not in _found(path)


def test_without_a_threshold_the_command_wants_a_half(make_tiny_model, sound, capsys, monkeypatch):
    path = sound("song.flac", "tango", 12.0)
    model = make_tiny_model(none_of_the_ten=True)
    monkeypatch.setattr(cli, "TAG_CONFIDENCE", 0.999)
    cli.main(["--model", str(model), "--write-tags", str(path)])
    assert "no tags" in capsys.readouterr().err
    assert "DANCE" not in _found(path)


@pytest.mark.parametrize(("verdict", "said"), [("none", "none of these"), ("silence", "silence")])
def test_what_is_no_dance_gets_no_tags(make_prediction, verdict, said):
    lines: list[str] = []
    writer = tags.TagWriter(0.5, overwrite=False, dry_run=False, say=lines.append)
    writer.add(Outcome("song.flac", make_prediction(dance=None, verdict=verdict, confidence=0.99)))
    assert lines == [f"song.flac: no tags; it is {said}"]


def test_the_command_goes_on_after_a_file_that_cannot_be_tagged(whichdance, sound, tmp_path):
    sound("a.au", "tango", 6.0)
    sound("b.flac", "tango", 6.0)
    status, lines = whichdance(tmp_path / "a.au", tmp_path / "b.flac")
    assert status == 1
    assert "a.au: its format has no place" in lines[0]
    assert _found(tmp_path / "b.flac")["DANCE"] == "Tango"


def test_without_mutagen_the_extra_is_named(sound, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "mutagen", None)
    assert cli.main(["--write-tags", str(sound("a.flac", "tango"))]) == 1
    assert capsys.readouterr() == (
        "",
        "whichdance: --write-tags needs mutagen: pip install 'whichdance[tags]'\n",
    )


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_to(recording):
    path = recording(".flac")
    path.parent.chmod(0o555)
    try:
        with pytest.raises(WhichdanceError, match=r"song\.flac: cannot be written"):
            tags.write_tags(path, VALUES)
    finally:
        path.parent.chmod(0o755)
