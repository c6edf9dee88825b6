"""What the command does to files by their names: only to what it heard, at places that are the file's."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import mutagen
import pytest

from runtime.command import batch

# Excerpts: places are those of the whole file.


def test_places_of_an_excerpt_are_the_file_s(whichdance, medley, tmp_path):
    """Of 40 s of tango, 40 s of rumba and 40 s of jive, from 0:20 to 1:40."""
    excerpt = ["--from", "0:20", "--to", "1:40"]
    targets = ["--cue", tmp_path / "a.cue", "--rekordbox", tmp_path / "a.xml", "--playlists", tmp_path]
    status, out, err = whichdance("--json", *excerpt, *targets, medley)
    assert status == 0, err
    (answer,) = json.loads(out)
    assert (answer["begin"], answer["duration"], answer["length"]) == (20.0, 80.0, 120.0)
    assert [part["dance"] for part in answer["parts"]] == ["tango", "rumba", "jive"]
    starts = [part["start"] for part in answer["parts"]]
    assert starts == pytest.approx([20, 40, 80], abs=4)
    assert answer["segments"][0]["start"] == 20.0

    sheet = (tmp_path / "a.cue").read_text(encoding="utf-8-sig")
    minutes = [line.split()[2] for line in sheet.splitlines() if "INDEX" in line]
    seconds = [60 * int(m) + int(s) + int(f) / 75 for m, s, f in (place.split(":") for place in minutes)]
    assert seconds == pytest.approx(starts, abs=1 / 75)
    library = ElementTree.parse(tmp_path / "a.xml")
    assert library.find(".//COLLECTION/TRACK").get("TotalTime") == "120"
    marks = [float(mark.get("Start")) for mark in library.iter("POSITION_MARK")]
    assert marks == pytest.approx(starts[1:], abs=0.001)
    lengths = [
        line for path in tmp_path.glob("*.m3u8") for line in path.read_text().splitlines() if "EXTINF" in line
    ]
    assert lengths == ["#EXTINF:120,medley"]


def test_the_same_parts_with_and_without_an_excerpt_that_holds_all(whichdance, medley):
    whole = json.loads(whichdance("--json", medley)[1])
    assert json.loads(whichdance("--json", "--to", "2:00", medley)[1]) == whole


# What was heard, and what is there now.


@pytest.fixture
def replaced_meanwhile(monkeypatch, sound, tmp_path):
    """`replaced_meanwhile(name, key)`: once all are heard, before anything is done, another file is there."""

    def arrange(name: str, key: str) -> None:
        def classify(self, paths, original=batch.Batch.classify):
            outcomes = list(original(self, paths))
            other = sound(f"other{Path(name).suffix}", key)
            other.replace(tmp_path / name)
            yield from outcomes

        monkeypatch.setattr(batch.Batch, "classify", classify)

    return arrange


def test_a_file_that_was_replaced_gets_no_tags_and_no_answer(whichdance, sound, tmp_path, replaced_meanwhile):
    sound("songs/a.flac", "tango", 12.0)
    sound("songs/b.flac", "jive", 12.0)
    replaced_meanwhile("songs/a.flac", "rumba")
    options = ["--write-tags", "--playlists", tmp_path / "lists", "--resume", tmp_path / "answers"]
    status, _, err = whichdance(*options, tmp_path / "songs")
    assert status == 1
    assert "a.flac: was changed or replaced after it was heard" in err
    assert "DANCE" not in (mutagen.File(tmp_path / "songs/a.flac").tags or {})
    assert mutagen.File(tmp_path / "songs/b.flac").tags["DANCE"] == ["Jive"]
    assert "a.flac" not in (tmp_path / "lists" / "Tango.m3u8").read_text()


def test_resume_hears_what_was_replaced_and_not_what_it_tagged(whichdance, sound, tmp_path, monkeypatch):
    sound("songs/a.flac", "tango", 12.0)
    sound("songs/b.flac", "jive", 12.0)
    heard = []

    def classify(self, paths, original=batch.Batch.classify):
        heard.append([os.path.basename(path) for path in paths])
        outcomes = list(original(self, paths))
        if len(heard) == 1:
            sound("other.flac", "rumba", 12.0).replace(tmp_path / "songs/a.flac")
        yield from outcomes

    monkeypatch.setattr(batch.Batch, "classify", classify)
    options = ["--json", "--write-tags", "--resume", tmp_path / "answers", tmp_path / "songs"]
    assert whichdance(*options)[0] == 1
    status, out, _ = whichdance(*options)
    assert status == 0
    assert [row["dance"] for row in json.loads(out)] == ["rumba", "jive"]
    assert heard == [["a.flac", "b.flac"], ["a.flac"]]


# Paths.


def test_playlists_in_a_folder_that_a_link_leads_to(whichdance, sound, tmp_path, monkeypatch):
    song = sound("music/a.wav", "tango")
    (tmp_path / "disk/deep/lists").mkdir(parents=True)
    (tmp_path / "lists").symlink_to(tmp_path / "disk/deep/lists")
    (tmp_path / "songs").symlink_to(tmp_path / "music")
    monkeypatch.chdir(tmp_path)
    for given in ("music/a.wav", "songs/a.wav"):
        assert whichdance("--playlists", "lists", given)[0] == 0
        entry = (tmp_path / "lists/Tango.m3u8").read_text().splitlines()[-1]
        assert os.path.samefile(os.path.join("lists", entry), song)


def test_names_with_a_space_at_an_end(whichdance, sound, tmp_path):
    sound("music/ a.wav", "tango").rename(tmp_path / "music/ a.wav")
    sound("music/b.wav", "tango").rename(tmp_path / "music/b.wav ")
    (tmp_path / "lists").mkdir()
    shutil.copy(tmp_path / "music/ a.wav", tmp_path / "lists/ a.wav")
    status, _, err = whichdance(
        "--playlists", tmp_path / "lists", tmp_path / "lists/ a.wav", tmp_path / "music/b.wav "
    )
    assert status == 1
    assert "b.wav ': a name that ends in a space cannot stand in a list; rename the file" in err
    assert (tmp_path / "lists/Tango.m3u8").read_text().splitlines()[2:] == ["./ a.wav"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such folders")
def test_a_working_folder_deeper_than_a_path_may_be_long(program, sound, tmp_path):
    songs = [sound(f"{i}.wav", key) for i, key in enumerate(("tango", "jive"))]
    script = 'for i in $(seq 25); do mkdir -p "$0"; cd "$0"; done; mv "$1" "$2" .; shift 2; exec "$@"'
    command = ["bash", "-c", script, "d" * 200, *map(str, songs), *program, "--json", "0.wav", "1.wav"]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert [row["dance"] for row in json.loads(done.stdout)] == ["tango", "jive"]
    subprocess.run(["rm", "-rf", tmp_path / ("d" * 200)], check=True)


# Pipes.


def test_process_substitution_among_files(program, sound):
    song, other = sound("a.wav", "tango"), sound("b.flac", "jive")
    script = '"$@" --json "$SONG" <(cat "$OTHER")'
    environment = os.environ | {"SONG": str(song), "OTHER": str(other)}
    done = subprocess.run(
        ["bash", "-c", script, "bash", *program], capture_output=True, text=True, env=environment
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert [row["dance"] for row in json.loads(done.stdout)] == ["tango", "jive"]


def test_standard_input_without_end(program, sound):
    song = sound("a.mp3", "samba", 20.0)
    script = 'while cat "$SONG"; do :; done 2>/dev/null | timeout 60 "$@" --json --to 0:10 -'
    command = ["bash", "-c", script, "bash", *program]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"SONG": str(song)})
    (answer,) = json.loads(done.stdout)
    assert (answer["dance"], answer["duration"]) == ("samba", 10.0)


def test_nothing_of_ours_runs_on_when_the_command_has_ended(program, sound):
    """Python's tracker of resources ends with its parent, but where nobody looks it stays a zombie."""
    songs = [sound(f"{i}.wav", "tango") for i in range(2)]
    code = (
        "import subprocess, sys\nfrom runtime.command.cli import main\nstatus = main(sys.argv[1:])\n"
        "import os\nprint(subprocess.run(['ps', '--ppid', str(os.getpid()), '-o', 'args='],"
        " capture_output=True, text=True).stdout.replace('ps --ppid', ''))\nsys.exit(status)"
    )
    command = [program[0], "-c", code, *program[3:], "-o", os.devnull, *songs]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "python" not in done.stdout
