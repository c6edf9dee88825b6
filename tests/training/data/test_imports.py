from pathlib import Path
from types import SimpleNamespace

import pytest

from runtime.errors import WhichdanceError
from training.data import imports


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def test_folder_per_class_knows_usual_spellings(tmp_path: Path) -> None:
    for name in ("Cha Cha", "viennese_waltz", "Slow-Foxtrot", "WALTZ", "Other", "Photos"):
        touch(tmp_path / name / "deep" / "song.MP3")
        touch(tmp_path / name / "cover.jpg")
        touch(tmp_path / name / "._song.mp3")
    recordings, unknown = imports.folder_per_class(tmp_path)
    assert {r.path.parent.parent.name: r.dance for r in recordings} == {
        "Cha Cha": "cha_cha_cha",
        "viennese_waltz": "viennese_waltz",
        "Slow-Foxtrot": "slow_foxtrot",
        "WALTZ": "slow_waltz",
        "Other": "other",
        "Photos": "photos",
    }
    assert len(recordings) == 6
    assert unknown == {"Photos": "photos"}


def test_folder_without_dances(tmp_path: Path) -> None:
    (tmp_path / "Photos").mkdir()
    with pytest.raises(WhichdanceError, match="no folder named after a dance"):
        imports.folder_per_class(tmp_path)
    with pytest.raises(WhichdanceError, match="is no folder"):
        imports.folder_per_class(tmp_path / "missing")


def test_extended_ballroom_is_mapped_as_in_the_thesis(tmp_path: Path) -> None:
    sizes = {  # thesis table 4.2
        "Chacha": 455,
        "Foxtrot": 507,
        "Jive": 350,
        "Pasodoble": 53,
        "Quickstep": 497,
        "Rumba": 470,
        "Salsa": 47,
        "Samba": 468,
        "Slowwaltz": 65,
        "Tango": 464,
        "Viennesewaltz": 252,
        "Waltz": 529,
        "Wcswing": 23,
    }
    for name, n in sizes.items():
        for i in range(n):
            touch(tmp_path / name / f"{i}.mp3")
    recordings, differences = imports.extended_ballroom(tmp_path)
    assert len(recordings) == 4110
    assert differences == []
    assert not {r.path.parent.name for r in recordings} & {"Salsa", "Wcswing"}

    (tmp_path / "Samba" / "0.mp3").unlink()
    assert imports.extended_ballroom(tmp_path)[1] == ["samba: 467 recordings, table 4.3 has 468"]
    for file in (tmp_path / "Tango").iterdir():
        file.unlink()
    (tmp_path / "Tango").rmdir()
    with pytest.raises(WhichdanceError, match="it lacks Tango"):
        imports.extended_ballroom(tmp_path)


def test_folder_names_of_other_collections(tmp_path: Path) -> None:
    names = {
        "Wiener Walzer": "viennese_waltz",
        "Cha-Cha-Cha (Latin)": "cha_cha_cha",
        "Rumba-American": "rumba",
        "Rumba-Misc": "rumba",
        "Langsamer Walzer": "slow_waltz",
        "Valčík": "viennese_waltz",
    }
    for name in names:
        touch(tmp_path / name / "a.wav")
    recordings, unknown = imports.folder_per_class(tmp_path)
    assert {r.path.parent.name: r.dance for r in recordings} == names
    assert unknown == {}


def test_aliases(tmp_path: Path) -> None:
    for name in ("ST – Langsam", "Waltz", "Misc"):
        touch(tmp_path / name / "a.wav")
    file = tmp_path / "aliases.toml"
    file.write_text('"st langsam" = "slow_foxtrot"\nWaltz = "viennese_waltz"\n')
    recordings, unknown = imports.folder_per_class(tmp_path, imports.read_aliases(file))
    assert {r.path.parent.name: r.dance for r in recordings} == {
        "ST – Langsam": "slow_foxtrot",
        "Waltz": "viennese_waltz",
        "Misc": "misc",
    }
    assert unknown == {"Misc": "misc"}
    file.write_text('"st langsam" = "slow_foxtrot"\nMisc = ""\n')
    recordings, unknown = imports.folder_per_class(tmp_path, imports.read_aliases(file))
    assert {r.dance for r in recordings} == {"slow_foxtrot", "slow_waltz"}
    assert unknown == {}
    touch(tmp_path / "Rumbaa" / "a.wav")  # rather a slip of the pen than a class
    assert imports.folder_per_class(tmp_path)[1]["Rumbaa"] == ""
    file.write_text('Walzer = "slow_walz"\n')
    with pytest.raises(WhichdanceError, match=r"aliases\.toml: 'Walzer' is 'slow_walz'; is slow_waltz meant"):
        imports.read_aliases(file)
    with pytest.raises(WhichdanceError, match="cannot be read"):
        imports.read_aliases(tmp_path / "no.toml")


def test_extended_ballroom_has_tempo_artist_album_and_repetitions(tmp_path: Path) -> None:
    for name in imports.EXTENDED_BALLROOM:
        touch(tmp_path / name / f"{name}.mp3")
    for id in ("100", "200", "300"):
        touch(tmp_path / "Chacha" / f"{id}.mp3")
    (tmp_path / "extendedballroom_v1.1.xml").write_text(
        """<?xml version="1.0"?><root><Chacha>
        <song id="100" title="Sway" artist="B &amp; C" album="Gold" bpm="124.5" hash="x"/>
        <song id="200" title="Sway" artist="D" album="Tin" bpm="" version="100"/>
        <song id="300" title="Sway" artist="D" album="Tin" bpm="120" exact="200"/>
        </Chacha></root>"""
    )
    found = {r.path.stem: r for r in imports.extended_ballroom(tmp_path)[0]}
    assert found["100"].tempo_bpm == 124.5
    assert dict(found["100"].more) == {"title": "Sway", "artist": "B & C", "album": "Gold"}
    assert found["200"].tempo_bpm is None
    assert {found[id].group for id in ("100", "200", "300")} == {"Extended Ballroom 100"}
    assert found["Tango"].group == ""
    (tmp_path / "extendedballroom_v1.1.xml").write_text("<root>")
    with pytest.raises(WhichdanceError, match=r"v1\.1\.xml cannot be read as XML"):
        imports.extended_ballroom(tmp_path)


def test_ballroom_by_mirdata(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    genres = ["chachacha", "rumba-american", "rumba-misc", "waltz", "viennesewaltz"]
    tracks = {g: SimpleNamespace(genre=g, audio_path=str(touch(tmp_path / g / "a.wav"))) for g in genres}
    tracks["gone"] = SimpleNamespace(genre="jive", audio_path=str(tmp_path / "gone.wav"))
    dataset = SimpleNamespace(load_tracks=lambda: tracks, data_home=tmp_path)
    mirdata = SimpleNamespace(initialize=lambda name, data_home: dataset)
    monkeypatch.setattr(imports, "import_module", lambda name: mirdata)
    assert [r.dance for r in imports.ballroom(tmp_path)] == [
        "cha_cha_cha",
        "rumba",
        "rumba",
        "slow_waltz",
        "viennese_waltz",
    ]
    tracks.clear()
    with pytest.raises(WhichdanceError, match="download"):
        imports.ballroom(tmp_path)


def test_ballroom_without_mirdata(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(imports, "import_module", missing)
    with pytest.raises(WhichdanceError, match="pip install mirdata"):
        imports.ballroom()
