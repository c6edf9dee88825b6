"""The library for rekordbox, read by a library of its own."""

import os
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest
from pyrekordbox import rbxml as rekordbox

from runtime.beats import Beats
from runtime.command.rekordbox import RekordboxLibrary
from runtime.dances import DANCE_KEYS
from runtime.prediction import Outcome, Part


@pytest.fixture
def write(tmp_path, make_prediction):
    """`write({path: fields})`: the path of a library of these predictions."""

    def make(predictions):
        library = RekordboxLibrary(tmp_path / "library.xml", DANCE_KEYS)
        for path, fields in predictions.items():
            library.add(Outcome(path, make_prediction(**fields)))
        library.add(Outcome("broken.mp3", error="broken.mp3: damaged"))
        library.finish()
        return tmp_path / "library.xml"

    return make


def test_another_librarys_reader_finds_tracks_and_playlists(write, tmp_path):
    song = tmp_path / "a & <b> 'ä'.mp3"
    unsure = {"dance": None, "verdict": "not sure", "tempo_bpm": None, "tempo_mpm": None}
    rumba = {"dance": "rumba", "best": "rumba"}
    xml = rekordbox.RekordboxXml(write({str(song): {}, "other.mp3": rumba, "x": unsure}))
    assert xml.num_tracks == 3
    track = xml.get_track(0)
    assert (track["Name"], track["Genre"], track["TotalTime"]) == (song.stem, "Tango", 60)
    assert track["AverageBpm"] == 128.0
    assert f"/{track['Location']}" == str(song)  # it takes 'file://localhost/' away
    playlist = xml.get_playlist("Rumba")
    assert [xml.get_track(TrackID=key)["Name"] for key in playlist.get_tracks()] == ["other"]
    assert [node.name for node in xml.get_playlist().get_playlists()] == ["Rumba", "Tango", "Not sure"]


def test_parts_are_memory_cues(write):
    parts = (
        Part(0.0, 61.0, "tango", "dance", 0.9),
        Part(61.0, 120.5, "rumba", "dance", 0.9),
        Part(120.5, 180.0, None, "none", 0.9),
    )
    root = ElementTree.parse(write({"mix.mp3": {"parts": parts}})).getroot()
    marks = [(m.get("Name"), m.get("Start"), m.get("Num")) for m in root.iter("POSITION_MARK")]
    assert marks == [("Rumba", "61.000", "-1"), ("none of these", "120.500", "-1")]


@pytest.mark.parametrize(
    "name", ["\x01\x1b[31m.mp3", "a\udcff.mp3", "\ufffe\U0001f3b5.mp3", "a\nb.mp3", "50%.mp3"]
)
def test_any_name_makes_a_document(write, name):
    track = ElementTree.parse(write({name: {}})).getroot().find("COLLECTION/TRACK")
    location = unquote(track.get("Location"), errors="surrogateescape")
    assert location == f"file://localhost{os.path.abspath(name)}"


def test_the_command_writes_it(whichdance, music, tmp_path):
    status, _, _ = whichdance("--rekordbox", tmp_path / "r.xml", music)
    assert status == 1  # for the broken file
    assert len(ElementTree.parse(tmp_path / "r.xml").getroot().findall("COLLECTION/TRACK")) == 3


def test_an_empty_collection_is_one(write):
    assert ElementTree.parse(write({})).getroot().find("COLLECTION").get("Entries") == "0"


def test_the_beat_grid_is_read_by_others(write):
    times = [0.31 + 0.46875 * i for i in range(60)]
    beats = Beats.of(times, [i % 4 + 1 for i in range(2, 62)])
    path = write({"a.mp3": {"beats": beats}, "b.mp3": {"beats": Beats()}, "c.mp3": {}})
    track, silent, unasked = (rekordbox.RekordboxXml(path).get_track(i) for i in range(3))
    (tempo,) = track.tempos
    assert (tempo["Inizio"], tempo["Bpm"], tempo["Metro"], tempo["Battito"]) == (0.31, 128.0, "4/4", 3)
    (mark,) = track.marks
    assert (mark["Num"], mark["Start"]) == (0, round(times[2], 3))  # a hot cue on the first one
    assert not silent.tempos
    assert not unasked.tempos
