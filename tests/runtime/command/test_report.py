"""Answers as text, tables, JSON and CSV."""

import csv
import io
import json
import os
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile

from runtime.classifier import Classifier
from runtime.command import batch, cli, report
from runtime.dances import DANCE_KEYS, OTHER


def test_one_recording_gets_a_ranked_answer(whichdance, sound):
    path = sound("song.flac", "tango", 12.0)
    status, out, err = whichdance(path)
    lines = out.splitlines()
    assert (status, err) == (0, "")
    assert lines[0] == f"{path}  (0:12)"
    assert lines[1] == "Tango"
    ranking = [line for line in lines if line.startswith("  ")]
    assert len(ranking) == 3
    assert ranking[0].split()[0] == "Tango"
    assert ranking[0].endswith("99 %")  # surer than each of its segments, of 94 %
    assert "━" in ranking[0]


@pytest.mark.parametrize("top", [1, 10])
def test_top_says_how_many_dances_are_shown(whichdance, sound, top):
    _, out, _ = whichdance("--top", str(top), sound("song.wav", "jive"))
    assert sum(line.startswith("  ") for line in out.splitlines()) == top


def test_not_sure_names_the_closest(capsys, make_tiny_model, sound):
    model = make_tiny_model(evidence='{"name_at": 0.999, "release_at": 0.4, "two_at": 1}')
    assert cli.main(["--model", str(model), str(sound("song.wav", "samba"))]) == 0
    out = capsys.readouterr().out
    assert "Not sure. It is closest to:" in out
    assert "Samba" in out


def test_what_is_left_for_none_of_the_ten_is_shown(capsys, make_tiny_model, sound):
    model = make_tiny_model(none_of_the_ten=True)
    cli.main(["--model", str(model), str(sound("song.wav", "samba"))])
    assert "none of these" in capsys.readouterr().out


def test_a_short_recording_says_that_it_is_short(whichdance, sound):
    assert "Less than one segment" in whichdance(sound("song.wav", "samba", 3.0))[1]


def test_a_folder_gives_a_table_and_reports_what_failed(whichdance, music):
    status, out, err = whichdance(music)
    assert status == 1
    rows = [line for line in out.splitlines() if str(music) in line]
    assert [row.split("/music/")[1].split("  ")[0].strip() for row in rows] == [
        "a.wav",
        "b tango.flac",
        "latin/[jive] :smile:.ogg",
    ]
    assert [dance for row in rows for dance in ("Rumba", "Tango", "Jive") if f" {dance} " in row] == [
        "Rumba",
        "Tango",
        "Jive",
    ]
    errors = err.splitlines()
    assert len(errors) == 2
    assert errors[0].startswith(f"whichdance: {music}/broken.mp3: ")
    assert errors[1].startswith(f"whichdance: {music}/short.wav: the recording is 1.00 s long")
    assert "Traceback" not in err


def test_json_has_one_object_per_recording_in_order(whichdance, music, sound):
    first = sound("z.wav", "quickstep")
    status, out, _ = whichdance("--json", first, music)
    answers = json.loads(out)
    assert status == 1
    assert [Path(answer["path"]).name for answer in answers] == [
        "z.wav",
        "a.wav",
        "b tango.flac",
        "broken.mp3",
        "short.wav",
        "[jive] :smile:.ogg",
    ]
    assert [answer.get("dance") for answer in answers] == ["quickstep", "rumba", "tango", None, None, "jive"]
    for answer in answers:
        if "error" in answer:
            assert set(answer) == {"path", "error"}
            assert answer["path"] in answer["error"]
            continue
        assert list(answer["scores"]) == [*DANCE_KEYS, OTHER]
        assert answer["confidence"] == pytest.approx(answer["scores"][answer["dance"]])
        assert answer["duration"] > 5
        assert list(answer["segments"][0]["scores"]) == [*DANCE_KEYS, OTHER]
        assert [part["dance"] for part in answer["parts"]] == [answer["dance"]]


def test_json_of_an_unsure_answer_has_null(capsys, make_tiny_model, sound):
    model = make_tiny_model(evidence='{"name_at": 0.999, "release_at": 0.4}')
    cli.main(["--model", str(model), "--json", str(sound("song.wav", "samba"))])
    assert json.loads(capsys.readouterr().out)[0]["dance"] is None


def test_csv_has_stable_columns(whichdance, music):
    _, out, _ = whichdance("--csv", music)
    rows = list(csv.reader(io.StringIO(out)))
    assert rows[0] == [
        *["path", "dance", "verdict", "confidence", "certainty", "best", "also"],
        *["duration", "padded"],
        *["tempo_bpm", "tempo_mpm", "metre", "warnings"],
        *(f"score_{key}" for key in (*DANCE_KEYS, OTHER)),
        "error",
    ]
    assert {len(row) for row in rows} == {len(rows[0])}
    by_name = {Path(row["path"]).name: row for row in csv.DictReader(io.StringIO(out))}
    assert by_name["b tango.flac"]["dance"] == "tango"
    assert float(by_name["b tango.flac"]["score_tango"]) == pytest.approx(0.99, abs=0.01)
    assert by_name["b tango.flac"]["error"] == ""
    assert by_name["broken.mp3"]["dance"] == ""
    assert "broken.mp3" in by_name["broken.mp3"]["error"]


def test_timeline_shows_each_segment(whichdance, tone, tmp_path):
    path = tmp_path / "two.wav"
    soundfile.write(path, np.concatenate([tone("tango", 12), tone("rumba", 12)]), 22_050)
    _, out, _ = whichdance("--timeline", "--top", "1", path)
    segments = out.splitlines()[1:]
    assert len(segments) == 5
    assert segments[0].split() == ["0:00-0:05", "Tango", "94", "%"]
    assert segments[-1].split()[1] == "Rumba"
    _, finer, _ = whichdance("--timeline", "--stride", "50", path)
    assert len(finer.splitlines()) - 1 == 17


def test_csv_timeline_has_one_row_per_segment(whichdance, sound):
    _, out, _ = whichdance("--csv", "--timeline", sound("a.wav", "tango", 12.0), "nowhere.wav")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert list(rows[0]) == [
        "path",
        "start",
        "end",
        *(f"score_{key}" for key in (*DANCE_KEYS, OTHER)),
        "error",
    ]
    assert [row["start"] for row in rows] == ["0.000", "4.644", ""]
    assert rows[-1]["error"] == "nowhere.wav: no such file"


def test_names_that_are_not_utf8_come_out_as_they_are(program, sound, tmp_path):
    name = os.fsdecode(b"caf\xe9.wav")
    sound("plain.wav", "jive").rename(tmp_path / name)
    environment = os.environ | {"PYTHONIOENCODING": "utf-8"}
    result = subprocess.run([*program, "--csv", name], cwd=tmp_path, env=environment, capture_output=True)
    assert result.returncode == 0
    assert b"\ncaf\xe9.wav,jive," in result.stdout


def test_a_terminal_without_unicode_gets_plain_bars(program, sound):
    result = subprocess.run(
        [*program, sound("a.wav", "jive")],
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0
    assert "####" in result.stdout
    assert "\\u" not in result.stdout


def test_a_medley_is_a_set_list(whichdance, medley):
    status, out, err = whichdance("--parts", medley)
    assert (status, err) == (0, "")
    heading, *lines = out.splitlines()
    assert heading == f"{medley}  (2:00)"
    assert [re.split(r"\s{2,}", line)[1] for line in lines] == ["Tango", "Rumba", "Jive"]
    bounds = [re.fullmatch(r"(\d:\d\d)–(\d:\d\d)", line.split()[0]).groups() for line in lines]
    assert bounds[0][0] == "0:00"
    assert bounds[-1][1] == "2:00"
    assert [end for _, end in bounds[:-1]] == [start for start, _ in bounds[1:]]


def test_parts_are_rows_of_csv_and_objects_of_json(whichdance, medley):
    rows = list(csv.DictReader(io.StringIO(whichdance("--csv", "--parts", medley, "nowhere.wav")[1])))
    columns = ["path", "start", "end", "dance", "verdict"]
    assert list(rows[0]) == [*columns, "confidence", "best", "also", "tempo_bpm", "tempo_mpm", "error"]
    assert [row["dance"] for row in rows] == ["tango", "rumba", "jive", ""]
    assert rows[-1]["error"] == "nowhere.wav: no such file"
    parts = json.loads(whichdance("--json", medley)[1])[0]["parts"]
    assert [part["dance"] for part in parts] == ["tango", "rumba", "jive"]
    assert [f"{part['start']:.3f}" for part in parts] == [row["start"] for row in rows[:-1]]
    for part, truth in zip(parts[1:], (40, 80), strict=True):
        assert part["start"] == pytest.approx(truth, abs=5.2)  # within one segment


def test_an_answer_and_a_table_say_that_there_are_parts(whichdance, medley, sound, monkeypatch):
    monkeypatch.chdir(medley.parent)  # names that no column is too narrow for
    sound("song.wav", "tango")
    assert whichdance(medley)[1].splitlines()[-1] == "It has 3 parts; --parts lists them."
    table = whichdance("medley.wav", "song.wav")[1].splitlines()
    assert table[1].split()[-1] == "Parts"
    assert [line.split()[-1] for line in table if ".wav" in line] == ["3", "1"], table


def test_silence_is_called_so_everywhere(whichdance, tmp_path):
    path = tmp_path / "silence.wav"
    soundfile.write(path, np.zeros(12 * 22_050), 22_050)
    assert "Silence: there is no music to be heard." in whichdance(path)[1]
    assert whichdance("--parts", path)[1].splitlines()[1:] == ["silence"]
    assert json.loads(whichdance("--json", path)[1])[0]["verdict"] == "silence"
    row = next(csv.DictReader(io.StringIO(whichdance("--csv", path)[1])))
    assert (row["verdict"], row["dance"]) == ("silence", "")
    assert "silence" in whichdance(path, path)[1]


def test_none_of_these_is_called_so_everywhere(capsys, make_tiny_model, sound, tmp_path):
    """A model that gives little to the ten, whatever it hears."""
    model = make_tiny_model(none_of_the_ten=True)
    hum = tmp_path / "hum.wav"  # in all dances' bands alike
    soundfile.write(hum, np.random.default_rng(1).normal(0, 0.1, 60 * 22_050), 22_050)

    def out(*arguments: object) -> str:
        cli.main(["--model", str(model), *map(str, arguments)])
        return capsys.readouterr().out

    answer = json.loads(out("--json", hum))[0]
    assert (answer["verdict"], answer["dance"]) == ("none", None)
    assert list(answer["scores"])[-1] == OTHER
    assert sum(answer["scores"].values()) == pytest.approx(1)
    assert answer["confidence"] == answer["scores"][OTHER]
    assert out("--csv", hum).splitlines()[0].split(",")[-2:] == ["score_other", "error"]
    lines = out("--top", "1", hum).splitlines()
    assert lines[1] == "None of these dances. It is closest to:"
    assert lines[2].startswith("  none of these  ")
    assert "none of these" in out(hum, hum)


def test_columns_follow_the_labels_of_the_model(capsys, make_tiny_model, sound):
    labels = ["salsa", "hully_gully", *DANCE_KEYS[2:]]
    model = make_tiny_model(labels=",".join(labels))
    path = str(sound("song.wav", "jive"))  # the second label's bands

    def out(*arguments: str) -> str:
        assert cli.main(["--model", str(model), *arguments, path]) == 0
        return capsys.readouterr().out

    assert out().splitlines()[1] == "Hully Gully"
    row = next(csv.DictReader(io.StringIO(out("--csv"))))
    assert [*row][13:] == [*(f"score_{label}" for label in (*labels, OTHER)), "error"]
    assert row["dance"] == "hully_gully"
    of_ten = [*(f"score_{key}" for key in (*DANCE_KEYS[2:], OTHER)), "error"]
    for ten in (("--ballroom-only",), ("--dances", "ten")):
        assert next(csv.reader(io.StringIO(out("--csv", *ten))))[13:] == of_ten
    one = next(csv.DictReader(io.StringIO(out("--csv", "--dances", "salsa, Tango"))))
    assert [*one][13:] == ["score_salsa", "score_tango", f"score_{OTHER}", "error"]
    assert one["dance"] == ""  # it is a hully gully
    options = ("--dances", "salsa,hully_gully", "--nothing-else")
    closed = next(csv.DictReader(io.StringIO(out("--csv", *options))))
    assert closed["dance"] == "hully_gully"
    assert float(closed[f"score_{OTHER}"]) < 1e-3


def test_unknown_dances_list_the_known_ones(whichdance, sound):
    status, out, err = whichdance("--dances", "waltz", sound("song.wav", "jive"))
    assert (status, out) == (2, "")
    assert "Traceback" not in err
    assert "no dance or group 'waltz'" in err
    assert "standard, latin, ten, social" in err
    assert "viennese_waltz" in err


def test_the_mean_is_the_mean_of_the_segments(whichdance, medley):
    answer = json.loads(whichdance("--json", "--aggregation", "mean", medley)[1])[0]
    for key, score in answer["scores"].items():
        mean = np.mean([segment["scores"][key] for segment in answer["segments"]])
        assert score == pytest.approx(mean, abs=1e-6)


def test_ctrl_c_shows_what_was_found_so_far(whichdance, sound, monkeypatch):
    paths = [sound(f"{key}.wav", key) for key in ("tango", "rumba", "jive")]

    def heard(paths, jobs, options):
        for path in paths:
            if Path(path).stem == "jive":
                raise KeyboardInterrupt
            yield batch._classify(Classifier(**options), path)

    monkeypatch.setattr(batch, "_classify_on_processes", heard)
    status, out, _ = whichdance(*paths)
    assert status == 130
    assert "Tango" in out
    assert "Rumba" in out
    status, out, _ = whichdance("--json", *paths)
    assert status == 130
    assert [answer["dance"] for answer in json.loads(out)] == ["tango", "rumba"]


def test_an_empty_list_is_json_too(capsys):
    out = io.StringIO()
    report.JsonList(out).finish()
    assert json.loads(out.getvalue()) == []


@pytest.mark.parametrize("columns", [40, 45, 60, 80, 200])
def test_a_table_keeps_the_recordings_names_on_any_screen(whichdance, sound, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    names = ["viennese_waltz", "rumba"]
    for name in names:
        sound(f"{name}.wav", name)
    monkeypatch.chdir(sound("x.wav", "tango").parent)
    lines = whichdance("viennese_waltz.wav", "rumba.wav")[1].splitlines()
    assert max(map(len, lines)) <= columns
    for name, dance in zip(names, ("Viennese Waltz", "Rumba"), strict=True):
        i = next(i for i, line in enumerate(lines) if f"{name}.wav" in line)
        assert dance in lines[i] + lines[i + 1]
    assert ("Or" in lines[1].split()) is (columns >= 100)


# What a name may hold and a terminal obeys: colours, the window's title, a bell, direction of writing.
WICKED = "song\x1b[31m \x1b]0;owned\x07 \u202egpj.wav"
SHOWN = r"song\x1b[31m \x1b]0;owned\x07 \u202egpj.wav"


@pytest.mark.parametrize("options", [[], ["--parts"], ["--timeline"], ["--write-tags", "--dry-run"]])
def test_names_are_shown_and_not_obeyed(whichdance, sound, options, monkeypatch):
    monkeypatch.chdir(sound(WICKED, "tango", 12.0).parent)  # a long folder's name would be folded
    for paths in ([WICKED], [WICKED, WICKED]):
        _, out, err = whichdance(*options, *paths, f"missing {WICKED}")
        assert f"missing {SHOWN}: no such file" in err
        for text in (out, err):
            assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u202a-\u202e]", text)
            assert SHOWN in text.replace("\n", "")


def test_a_name_of_two_lines_is_one_line(whichdance, tmp_path):
    err = whichdance(tmp_path / "two\nlines.wav")[2]
    assert err.count("\n") == 1
    assert r"two\nlines.wav: no such file" in err


def test_csv_for_excel(whichdance, sound, tmp_path, monkeypatch):
    for name in ("=1+1.wav", "=2.wav", "@here.wav", "plain.wav"):
        sound(name, "tango")
    monkeypatch.chdir(tmp_path)
    names = ["./=2.wav", "=1+1.wav", "@here.wav", "plain.wav", "-.wav"]
    (_, plain, said), (_, excel, said_too) = (
        whichdance(option, "--", *names) for option in ("--csv", "--csv=excel")
    )
    assert said == said_too == "whichdance: -.wav: no such file\n"
    assert excel.startswith("\ufeffpath,")
    cells = [row[0] for row in csv.reader(io.StringIO(excel))]
    assert cells == ["\ufeffpath", "./=2.wav", "'=1+1.wav", "'@here.wav", "plain.wav", "'-.wav"]
    assert not plain.startswith("\ufeff")
    assert "\n=1+1.wav," in plain
    assert whichdance("--csv=excel", "-o", "answers.csv", "plain.wav")[0] == 0
    assert (tmp_path / "answers.csv").read_bytes().startswith(b"\xef\xbb\xbfpath,dance,")
    assert whichdance("--csv=excel", "--parts", "plain.wav")[1].startswith("\ufeffpath,start,")


def test_csv_for_where_lists_have_semicolons(whichdance, sound):
    path = sound("2.5.wav", "jive")
    plain, other = (
        list(csv.reader(io.StringIO(whichdance(option, path)[1].lstrip("\ufeff")), delimiter=sign))
        for option, sign in (("--csv", ","), ("--csv=excel-semicolon", ";"))
    )
    assert other[0] == plain[0]
    assert other[1][0] == str(path)  # a name is no number
    assert [cell.replace(",", ".") for cell in other[1][1:]] == plain[1][1:]
    assert other[1][other[0].index("duration")] == "6,00"


def test_csv_is_utf_8_whatever_the_terminal_has(program, sound):
    path = sound("Käthe 東京.wav", "jive")
    environment = os.environ | {"PYTHONIOENCODING": "cp1252"}
    done = subprocess.run([*program, "--csv", path], capture_output=True, env=environment)
    assert (done.returncode, done.stderr) == (0, b"")
    rows = list(csv.reader(io.StringIO(done.stdout.decode("utf-8"))))
    assert rows[1][0] == str(path)
