"""Playlists per dance."""

import os
import shutil
from pathlib import Path

import pytest

from runtime.command import cli
from runtime.command.playlists import Playlists
from runtime.dances import TEN
from runtime.prediction import Outcome


def _entries(playlist: Path) -> list[str]:
    lines = playlist.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "#EXTM3U"
    return [line for line in lines if not line.startswith("#")]


@pytest.fixture
def lists(tiny_model, music, tmp_path, capsys) -> Path:
    assert cli.main(["--model", str(tiny_model), "--playlists", str(tmp_path / "lists"), str(music)]) == 1
    return tmp_path / "lists"


def test_one_playlist_per_dance_and_two_for_the_rest(lists):
    assert {path.stem for path in lists.iterdir()} == {
        *(one.name for one in TEN),
        "Not sure",
        "None of these",
    }


def test_each_recording_is_in_the_playlist_of_its_dance(lists):
    filled = {path.stem: _entries(path) for path in lists.iterdir() if _entries(path)}
    assert filled == {
        "Rumba": ["../music/a.wav"],
        "Tango": ["../music/b tango.flac"],
        "Jive": ["../music/latin/[jive] :smile:.ogg"],
    }
    assert "#EXTINF:12,b tango\n" in (lists / "Tango.m3u8").read_text()


def test_playlists_move_with_the_music(lists, tmp_path):
    shutil.move(tmp_path / "music", tmp_path / "elsewhere" / "music")
    shutil.move(lists, tmp_path / "elsewhere" / "lists")
    for playlist in (tmp_path / "elsewhere" / "lists").iterdir():
        for entry in _entries(playlist):
            assert (playlist.parent / entry).is_file()


def test_not_sure_has_its_own(make_tiny_model, sound, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    sound("#1 hit.wav", "samba")
    model = make_tiny_model(evidence='{"name_at": 0.999, "release_at": 0.4}')
    assert cli.main(["--model", str(model), "--playlists", ".", "#1 hit.wav"]) == 0
    assert _entries(tmp_path / "Not sure.m3u8") == ["./#1 hit.wav"]
    assert _entries(tmp_path / "Samba.m3u8") == []


def test_a_second_run_leaves_nothing_of_the_first(tiny_model, sound, tmp_path, capsys):
    for key in ("samba", "tango"):
        sound("song.wav", key)
        cli.main(["--model", str(tiny_model), "--playlists", str(tmp_path), str(tmp_path / "song.wav")])
    assert _entries(tmp_path / "Samba.m3u8") == []
    assert _entries(tmp_path / "Tango.m3u8") == ["song.wav"]


def test_names_that_are_not_utf8_go_in_byte_by_byte(tiny_model, sound, tmp_path):
    path = sound("song.wav", "samba").rename(tmp_path / os.fsdecode(b"caf\xe9.wav"))
    table = str(tmp_path / "table.txt")
    options = ["--model", str(tiny_model), "--playlists", str(tmp_path), "-o", table]
    assert cli.main([*options, str(path)]) == 0
    assert b"\ncaf\xe9.wav\n" in (tmp_path / "Samba.m3u8").read_bytes()


def test_a_name_with_a_line_break_is_an_error(tiny_model, sound, tmp_path, capsys):
    path = sound("two\nlines.wav", "samba")
    assert cli.main(["--model", str(tiny_model), "--playlists", str(tmp_path), str(path)]) == 1
    assert "line break" in capsys.readouterr().err
    assert _entries(tmp_path / "Samba.m3u8") == []  # the others' playlists are written all the same


def test_a_folder_that_cannot_be_made_is_an_error(tiny_model, sound, tmp_path, capsys):
    path = sound("song.wav", "samba")
    assert cli.main(["--model", str(tiny_model), "--playlists", str(path / "lists"), str(path)]) == 1
    assert "song.wav/lists: the folder cannot be made" in capsys.readouterr().err


def test_none_of_these_has_its_own_and_silence_is_left_out(make_prediction, tmp_path):
    playlists = Playlists(tmp_path, ["tango", "hully_gully"])
    playlists.add(Outcome("a.wav", make_prediction(dance=None, verdict="none")))
    playlists.add(Outcome("b.wav", make_prediction(dance=None, verdict="silence")))
    playlists.add(Outcome("c.wav", make_prediction(dance=None, verdict="either", also=("hully_gully",))))
    playlists.add(Outcome("d.wav", make_prediction(dance="hully_gully", best="hully_gully")))
    playlists.add(Outcome("e.wav", error="e.wav: no such file"))
    assert not list(tmp_path.iterdir())
    playlists.finish()
    names = {path.stem: [Path(entry).name for entry in _entries(path)] for path in tmp_path.iterdir()}
    assert names == {
        "Tango": [],
        "Hully Gully": ["d.wav"],
        "None of these": ["a.wav"],
        "Not sure": ["c.wav"],
    }
