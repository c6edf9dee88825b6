"""What the command does to files by their names: only to what it heard, at places that are the file's."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import mutagen
import pytest

from runtime import audio, classifier
from runtime.command import batch, beats, cli
from runtime.command.playlists import Playlists

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


def put_another(path: Path, other: Path) -> None:
    """Another file of the same size and the same time of change."""
    before = path.stat()
    assert other.stat().st_size == before.st_size
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(path)
    after = path.stat()
    assert (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert after.st_ino != before.st_ino


LISTS = ["--write-tags", "--playlists", "lists", "--rekordbox", "a.xml", "--resume", "answers"]


def assert_nothing_was_done(status, err, song, content):
    assert status == 1
    assert f"{song}: was changed or replaced after it was heard; nothing is done to it" in err
    assert Path(song).read_bytes() == content
    assert all("EXTINF" not in path.read_text() for path in Path("lists").iterdir())
    assert ElementTree.parse("a.xml").find(".//TRACK") is None
    assert len(Path("answers").read_text().splitlines()) == 1  # how was listened, and no answer that holds


@pytest.mark.parametrize("moment", ["before it is decoded", "while it is decoded", "once it is heard"])
def test_another_file_of_the_same_size_and_time(whichdance, sound, tmp_path, monkeypatch, moment):
    """Replaced between its opening and its turn: only its inode is another."""
    monkeypatch.chdir(tmp_path)
    song, other = sound("a.wav", "tango", 12.0), sound("other.wav", "rumba", 12.0)
    content = other.read_bytes()
    done = []

    def replace() -> None:
        if not done:
            done.append(put_another(song, other))

    def decoding(*arguments, original=audio.decoding):
        if moment == "before it is decoded":
            replace()
        return original(*arguments)

    def between(blocks, *arguments, original=classifier.between):
        for block in original(blocks, *arguments):
            if moment == "while it is decoded":
                replace()
            yield block

    def heard(self, source, original=classifier.Classifier.heard):
        answer = original(self, source)
        replace()
        return answer

    monkeypatch.setattr(audio, "decoding", decoding)
    monkeypatch.setattr(classifier, "between", between)
    monkeypatch.setattr(classifier.Classifier, "heard", heard)
    status, _, err = whichdance(*LISTS, song)
    assert done
    assert_nothing_was_done(status, err, song, content)
    status, out, err = whichdance("--json", *LISTS, song)  # what is there now
    assert (status, json.loads(out)[0]["dance"]) == (0, "rumba"), err
    assert mutagen.File(song).tags["TXXX:DANCE"].text == ["Rumba"]


def test_lists_leave_out_what_is_replaced_before_they_are_written(whichdance, sound, tmp_path, monkeypatch):
    """Its answer was handed on, and other songs are still heard."""
    monkeypatch.chdir(tmp_path)
    first, second = sound("a.wav", "tango", 12.0), sound("b.wav", "jive", 12.0)
    other = sound("other.wav", "rumba", 12.0)

    def add(self, outcome, original=Playlists.add):
        original(self, outcome)
        if outcome.path == str(second):
            put_another(first, other)

    monkeypatch.setattr(Playlists, "add", add)
    status, _, err = whichdance("--playlists", "lists", "--rekordbox", "a.xml", first, second)
    assert status == 1
    assert err.count(f"{first}: was changed or replaced after it was heard") == 2
    entries = [line for path in Path("lists").iterdir() for line in path.read_text().splitlines()]
    assert [line for line in entries if not line.startswith("#")] == ["../b.wav"]
    (track,) = ElementTree.parse("a.xml").find(".//COLLECTION")
    assert track.get("Name") == "b"


def test_resume_compares_all_that_tells_files_apart(whichdance, sound, tmp_path):
    song, other = sound("a.wav", "tango", 12.0), sound("other.wav", "rumba", 12.0)
    assert whichdance("--resume", tmp_path / "answers", song)[0] == 0
    put_another(song, other)
    status, out, _ = whichdance("--json", "--resume", tmp_path / "answers", song)
    assert (status, json.loads(out)[0]["dance"]) == (0, "rumba")
    kept = [json.loads(line) for line in (tmp_path / "answers").read_text().splitlines()[1:]]
    now = song.stat()
    assert kept[-1]["state"] == [now.st_dev, now.st_ino, now.st_size, now.st_mtime_ns]


def test_clicks_are_put_on_what_was_heard(whichdance, tmp_path, monkeypatch):
    example = Path(__file__).parents[3] / "examples" / "quickstep.ogg"
    song, other = shutil.copy(example, tmp_path / "a.ogg"), shutil.copy(example, tmp_path / "b.ogg")

    def heard(self, source, original=classifier.Classifier.heard):
        answer = original(self, source)
        monkeypatch.setattr(cli, "_handed_on", handed_on)
        return answer

    def handed_on(outcome, show, keepers, original=cli._handed_on):
        def add(self, outcome, write=beats.ClickTrack.add):
            put_another(song, other)
            return write(self, outcome)

        monkeypatch.setattr(beats.ClickTrack, "add", add)
        return original(outcome, show, keepers)

    monkeypatch.setattr(classifier.Classifier, "heard", heard)
    status, _, err = whichdance("--click", tmp_path / "c.wav", song)
    assert status == 1
    assert "a.ogg: was changed or replaced after it was heard" in err
    assert not (tmp_path / "c.wav").exists()


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
