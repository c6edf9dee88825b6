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
    }
    assert len(recordings) == 5
    assert unknown == ["Photos"]


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
