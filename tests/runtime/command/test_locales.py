"""Names of files and text in locales that are not UTF-8: names keep their bytes, files are always UTF-8."""

import csv
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote_to_bytes
from xml.etree import ElementTree

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="locales are made on Linux")

NAMES = {"utf-8": "Käthe möchte.wav".encode(), "latin-1": b"K\xe4the.wav"}


@pytest.fixture(scope="session")
def latin_1(tmp_path_factory):
    """The environment of an ISO-8859-1 locale, made for these tests."""
    if shutil.which("localedef") is None:
        pytest.skip("localedef is not installed")
    folder = tmp_path_factory.mktemp("locales")
    made = folder / "en_US.ISO-8859-1"
    command = ["localedef", "-i", "en_US", "-f", "ISO-8859-1", made]
    done = subprocess.run(command, capture_output=True, text=True)
    if not made.exists():
        pytest.skip(f"the locale cannot be made: {done.stderr.strip()}")
    return {"LOCPATH": str(folder), "LC_ALL": "en_US.ISO-8859-1"}


@pytest.fixture(params=["C", "ISO-8859-1", "UTF-8"])
def locale(request):
    """Environment, and what Python takes standard output and names for."""
    if request.param == "C":
        ours, encoding = {"LC_ALL": "C"}, "ascii"
    elif request.param == "ISO-8859-1":
        ours, encoding = request.getfixturevalue("latin_1"), "iso8859-1"
    else:
        ours, encoding = {"LC_ALL": "C.UTF-8"}, "utf-8"
    unset = {"PYTHONIOENCODING", "LANG", "LC_CTYPE"}
    inherited = {name: value for name, value in os.environ.items() if name not in unset}
    environment = inherited | {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", **ours}
    command = [sys.executable, "-c", "import sys; print(sys.getfilesystemencoding(), sys.stdout.encoding)"]
    said = subprocess.run(command, capture_output=True, text=True, env=environment).stdout
    assert set(said.split()) == {encoding}
    return environment


@pytest.fixture(params=NAMES)
def song(request, sound, tmp_path):
    """A recording of tango, as bytes; its name in one of two encodings, whatever the locale."""
    (tmp_path / "music").mkdir()
    path = os.fsencode(tmp_path / "music") + b"/" + NAMES[request.param]
    os.rename(sound("a.wav", "tango", 12.0), path)
    return path


def run(program, locale, *arguments):
    done = subprocess.run([*program, *arguments], capture_output=True, env=locale)
    assert done.returncode == 0, done.stderr
    return done


def written(name):
    """A name as a file that is UTF-8 holds it: byte for byte, whatever they mean."""
    return name.decode("utf-8", "surrogateescape")


def test_lists_hold_the_bytes_of_names(program, locale, song, tmp_path):
    targets = ["--playlists", tmp_path / "lists", "--rekordbox", tmp_path / "a.xml"]
    targets += ["--cue", tmp_path / "a.cue"]
    run(program, locale, *targets, tmp_path / "music")
    name = os.path.basename(song)
    lines = (tmp_path / "lists/Tango.m3u8").read_bytes().splitlines()
    assert lines == [b"#EXTM3U", b"#EXTINF:12," + name[:-4], b"../music/" + name]
    sheet = (tmp_path / "a.cue").read_bytes()
    assert b'FILE "music/' + name + b'" WAVE' in sheet
    assert sheet.startswith(b"\xef\xbb\xbf")
    track = ElementTree.parse(tmp_path / "a.xml").find(".//COLLECTION/TRACK")
    assert unquote_to_bytes(track.get("Location")).endswith(song)
    assert track.get("Name") == name[:-4].decode("utf-8", "replace")


@pytest.mark.parametrize("where", ["file", "pipe"])
def test_tables_and_json(program, locale, song, tmp_path, where):
    for option in ("--json", "--csv", "--csv=excel"):
        output = ["-o", tmp_path / "answers"] if where == "file" else []
        out = run(program, locale, option, *output, tmp_path / "music").stdout
        text = ((tmp_path / "answers").read_bytes() if output else out).decode("utf-8", "surrogateescape")
        if option == "--json":
            path = json.loads(text)[0]["path"]
        else:
            assert text.startswith("\ufeff") is (option == "--csv=excel")
            path = list(csv.reader(io.StringIO(text.removeprefix("\ufeff"))))[1][0]
        assert path == written(song)


def test_answers_for_people(program, locale, song, tmp_path):
    """On a screen, and in a file, the bytes of the name stand as they are."""
    name = os.path.basename(song)
    out = run(program, locale, tmp_path / "music").stdout
    assert name in out
    assert b"Tango" in out
    run(program, locale, "-o", tmp_path / "answer.txt", tmp_path / "music")
    assert name in (tmp_path / "answer.txt").read_bytes()


def test_errors_name_the_file(program, locale, song, tmp_path):
    Path(os.fsdecode(song)).write_bytes(b"no music" * 99)
    done = subprocess.run([*program, "--csv", tmp_path / "music"], capture_output=True, env=locale)
    assert done.returncode == 1
    assert song + b": not a recording" in done.stderr
    rows = list(csv.reader(io.StringIO(done.stdout.decode("utf-8", "surrogateescape"))))
    assert (rows[1][0], rows[1][-1].startswith(written(song))) == (written(song), True)


def test_tags_and_resumption(program, locale, song, tmp_path):
    mutagen = pytest.importorskip("mutagen")
    options = ["--json", "--write-tags", "--resume", tmp_path / "answers", tmp_path / "music"]
    assert b"wrote DANCE=Tango" in run(program, locale, *options).stderr
    assert mutagen.File(os.fsdecode(song)).tags["TXXX:DANCE"].text == ["Tango"]
    before = (tmp_path / "answers").read_bytes()
    run(program, locale, *options)
    assert (tmp_path / "answers").read_bytes() == before


def test_a_plain_name_needs_no_mark_in_a_sheet(program, locale, sound, tmp_path):
    """And a title that ends in a backslash does not take the quotation mark with it."""
    path = sound("music/a.wav", "tango", 12.0)
    path = path.rename(path.with_name("back\\"))
    run(program, locale, "--cue", tmp_path / "a.cue", path)
    lines = (tmp_path / "a.cue").read_bytes().split(b"\r\n")
    assert lines[0] == b'TITLE "back\\ "'
    assert lines[1] == b'FILE "music/back\\" WAVE'


def test_names_that_the_terminal_lacks_are_escaped(program, sound, tmp_path, latin_1):
    """What Latin 1 has is shown so; a character that it lacks as its escape."""
    environment = os.environ | {"PYTHONIOENCODING": "cp1252", "LC_ALL": "C.UTF-8"}
    path = sound("Käthe 東京.wav", "jive")
    done = subprocess.run([*program, path], capture_output=True, env=environment)
    assert (done.returncode, done.stderr) == (0, b"")
    assert "Käthe \\u6771\\u4eac.wav".encode("cp1252") in done.stdout
