from pathlib import Path

import pytest

from runtime.errors import WhichdanceError
from training.data.labelling import default_source, label, matches, read_sources


@pytest.mark.parametrize(
    ("name", "dances"),
    [
        ("CHA CHA CHA | Sway", ("cha_cha_cha",)),
        ("Cha-Cha - Smooth", ("cha_cha_cha",)),
        ("WDSF Jive final", ("jive",)),
        ("paso_doble_Espana_Cani", ("paso_doble",)),
        ("Quick Step 50 MPM", ("quickstep",)),
        ("Rhumba in the sun", ("rumba",)),
        ("Samba do Brasil", ("samba",)),
        ("Slow Foxtrot 29", ("slow_foxtrot",)),
        ("English Waltz - Moon River", ("slow_waltz",)),
        ("Viennese Waltz - Blue Danube", ("viennese_waltz",)),
        ("Wiener Walzer", ("viennese_waltz",)),
        ("Tango argentino", ("tango",)),
        ("Moon River", ()),
        ("Rumba & Samba medley", ("rumba", "samba")),
        ("Tangolita", ()),
    ],
)
def test_usual_titles(name: str, dances: tuple[str, ...]) -> None:
    assert matches(name, default_source()) == dances


def test_conflicts_and_misses_are_left_out_and_counted(tmp_path: Path) -> None:
    files = [tmp_path / f"{name}.mp3" for name in ("a jive", "b jive tango", "c", "d tango")]
    result = label(files, tmp_path, [default_source()])
    assert [(r.path.stem, r.dance) for r in result.labelled] == [("a jive", "jive"), ("d tango", "tango")]
    assert result.conflicting == [(files[1], ("jive", "tango"))]
    assert result.unmatched == [files[2]]
    report = {line.rsplit(None, 1)[0]: int(line.rsplit(None, 1)[1]) for line in result.report().splitlines()}
    assert report == {"jive": 1, "tango": 1, "labelled": 2, "conflicting": 1, "no match": 1}


def test_every_source_has_its_own_expressions(tmp_path: Path) -> None:
    (tmp_path / "rules.toml").write_text(
        """
        [[source]]
        name = "first"
        files = "first/*"
        patterns.slow_waltz = '\\bEW\\b'
        patterns.tango = ''

        [[source]]
        name = "second"
        files = "second/*"
        """
    )
    files = [
        tmp_path / f for f in ("first/EW 30.mp3", "first/tango.mp3", "second/tango.mp3", "third/tango.mp3")
    ]
    result = label(files, tmp_path, read_sources(tmp_path / "rules.toml"))
    assert [(r.source, r.dance) for r in result.labelled] == [("first", "slow_waltz"), ("second", "tango")]
    assert result.unmatched == [files[1], files[3]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[[source]]\nname = 'x'\npatterns.rumbas = 'p'", "'rumbas' is no dance; is rumba meant"),
        ("[[source]]\nname = 'x'\npatterns.jive = '('", "expression for jive is wrong"),
        ("[[source]]\nfiles = 'x'", "number 1: it needs a name"),
        ("nonsense", "cannot be read"),
        ("", r"there is no \[\[source\]\] in it"),
        ("[source]\nname = 'x'", r"there is no \[\[source\]\] in it"),
        ("source = [1]", r"there is no \[\[source\]\] in it"),
        ("[[sources]]\nname = 'x'", "no key 'sources'; is 'source' meant"),
        ("[[source]]\nname = 'x'\n[[sources]]\nname = 'y'", "no key 'sources'; is 'source' meant"),
        ("[[rule]]\nname = 'x'", "no key 'rule'; known are source$"),
        (
            "[[source]]\nname = 'x'\npattern.tango = 'p'",
            "number 1: there is no key 'pattern'; is 'patterns' meant",
        ),
        (
            "[[source]]\nname = 'x'\n[[source]]\nName = 'y'",
            "number 2: there is no key 'Name'; is 'name' meant",
        ),
        ("[[source]]\nname = 'x'\nfile = 'p'", "no key 'file'; is 'files' meant"),
        ("[[source]]\nname = 'x'\nregex = 'p'", "no key 'regex'; known are name, files, patterns"),
        ("[[source]]\nname = 'x'\nfiles = 5", "files is 5; write a pattern"),
        ("[[source]]\nname = 'x'\npatterns = 'tango'", "patterns is 'tango'; write patterns.tango"),
        ("[[source]]\nname = 'x'\npatterns.tango = 5", "the expression for tango is 5, no text in quotes"),
    ],
)
def test_errors_in_rules(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "rules.toml").write_text(content)
    with pytest.raises(WhichdanceError, match=message) as error:
        read_sources(tmp_path / "rules.toml")
    assert "rules.toml" in str(error.value)


def test_a_source_without_files_is_told(tmp_path: Path) -> None:
    (tmp_path / "rules.toml").write_text("[[source]]\nname = 'x'\nfiles = 'chanel/*'\n")
    (tmp_path / "channel").mkdir()
    result = label([tmp_path / "channel" / "tango.mp3"], tmp_path, read_sources(tmp_path / "rules.toml"))
    assert [source.name for source in result.unused] == ["x"]
    assert result.labelled == []
