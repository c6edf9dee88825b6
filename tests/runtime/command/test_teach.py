"""`whichdance teach` from folders, tables, arrays and corrections, to answers with what was taught."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

import runtime.command.teach
import runtime.model
import runtime.taught
from runtime.codec import ARRAYS
from runtime.command.cli import main
from runtime.errors import ModelError
from runtime.mel import SAMPLE_RATE, melspectrogram
from runtime.model import Model, shipped
from runtime.taught import Taught, sha256_of

Tone = Callable[..., np.ndarray]


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where taught files go unasked, for this test."""
    folder = tmp_path / "user data" / "taught"
    monkeypatch.setattr(runtime.command.teach, "user_folder", lambda: folder)
    monkeypatch.setattr(runtime.taught, "user_folder", lambda: folder)
    return folder


@pytest.fixture
def base(teachable: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(teachable, tmp_path / "base.onnx"))


def taught_by(base: Path, *arguments: object) -> int:
    return main(["teach", *map(str, arguments), "--model", str(base)])


def test_from_folders_to_answers(
    base: Path, collection: Path, tmp_path: Path, band_tone: Tone, capsys: pytest.CaptureFixture[str]
) -> None:
    (collection / "tango" / "broken.mp3").write_bytes(b"no music" * 100)
    (collection / "notes.txt").write_text("nothing")
    output = tmp_path / "my.whichdance"
    assert taught_by(base, collection, "-o", output) == 0
    out, err = capsys.readouterr()
    assert "broken.mp3" in err
    assert err.count("\n") == 1
    assert [int(n) for n in out.split("Tango")[1].split()[:3]] == [0, 6, 6]
    assert "Lindy Hop  " in out
    assert output.stat().st_size < 300_000
    soundfile.write(tmp_path / "x.flac", band_tone(4 * 22 + 3.8), SAMPLE_RATE)
    soundfile.write(tmp_path / "y.flac", band_tone(4 * 22 - 8.1), SAMPLE_RATE)
    answers = []
    for model in (base, output):
        assert (
            main([str(tmp_path / "x.flac"), str(tmp_path / "y.flac"), "--json", "--model", str(model)]) == 0
        )
        answers.append([row["best"] for row in json.loads(capsys.readouterr().out)])
    assert answers == [["rumba", "paso_doble"], ["tango", "lindy_hop"]] or answers[1] == [
        "tango",
        "lindy_hop",
    ]

    assert main(["--model", str(output), "--about"]) == 0
    about = capsys.readouterr().out
    assert "lindy_hop 6, rumba 6, tango 6" in about
    assert "tango: right before 0, after 6, of 6" in about

    first = output.read_bytes()
    assert taught_by(base, collection, "-o", output) == 0
    assert output.read_bytes() == first


def test_the_users_own_folder_and_its_names(
    base: Path, collection: Path, own_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert taught_by(base, collection) == 0
    assert "use it with whichdance --model my" in capsys.readouterr().out
    shutil.copy(base, own_folder / "base.onnx")
    assert main(["--model", "my", str(collection / "Lindy Hop" / "0.flac")]) == 0
    assert "Lindy Hop" in capsys.readouterr().out
    (own_folder / "old.whichdance").write_text("{")
    assert main(["--about"]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert "--model my: 11 dances, taught with 18 recordings on the model tiny 1" in listed
    for name, entry in list(shipped().items())[1:]:  # the default stands above, with all its dances
        assert f"--model {name}: {len(entry['classes'])} dances" in listed
    assert sum("old.whichdance: is no file of whichdance teach" in line for line in listed) == 1
    assert main(["--model", "yours", str(collection / "Lindy Hop" / "0.flac")]) == 1
    assert "yours are my, old" in capsys.readouterr().err


def test_a_table_and_arrays_teach_the_same_dances(
    base: Path, collection: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = sorted(collection.rglob("*.flac"))
    rows = [f"{path.relative_to(collection)},{path.parent.name}" for path in files]
    (collection / "list.csv").write_text("\n".join(["path,dance", *rows, rows[0]]) + "\n")
    assert taught_by(base, collection / "list.csv", "-o", tmp_path / "a.whichdance") == 0
    excerpts = [
        ARRAYS.encode(
            melspectrogram(soundfile.read(path, dtype="float32")[0], sample_rate=SAMPLE_RATE)[:440].T
        )
        for path in files
    ]
    labels = [path.parent.name for path in files]
    ids = np.repeat(np.arange(len(files)), 2)  # each twice: two excerpts of one song are one
    np.savez(
        tmp_path / "a.npz",
        mel_db=np.stack(excerpts)[:, None][ids], labels=np.array(labels)[ids], ids=ids,
    )  # fmt: skip
    assert taught_by(base, tmp_path / "a.npz", "-o", tmp_path / "b.whichdance") == 0
    table, arrays = (Taught.read(tmp_path / f"{x}.whichdance") for x in "ab")
    assert table.recordings == arrays.recordings == {"lindy_hop": 6, "rumba": 6, "tango": 6}


def test_where_nothing_is_gained_nothing_is_kept(
    base: Path, collection: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for dance in ("tango", "Lindy Hop"):
        shutil.rmtree(collection / dance)
    output = tmp_path / "my.whichdance"
    assert taught_by(base, collection, "-o", output) == 1
    assert "nothing is kept" in capsys.readouterr().err
    assert not output.exists()
    assert taught_by(base, collection, "-o", output, "--anyway") == 0
    assert output.exists()


@pytest.mark.parametrize("jobs", [1, 2])
def test_any_number_of_processes_gives_the_same_file(
    base: Path, collection: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], jobs: int
) -> None:
    (collection / "tango" / "broken.flac").write_bytes(b"fLaC no music" * 100)
    for name in ("a", "b"):
        assert taught_by(base, collection, "-o", tmp_path / f"{name}.whichdance", "--jobs", jobs) == 0
        assert "broken.flac" in capsys.readouterr().err
    digests = {sha256_of(tmp_path / f"{name}.whichdance") for name in ("a", "b")}
    shutil.copytree(collection, tmp_path / "elsewhere")
    assert taught_by(base, tmp_path / "elsewhere", "-o", tmp_path / "c.whichdance", "--jobs", 3 - jobs) == 0
    assert digests == {sha256_of(tmp_path / "c.whichdance")}


def test_a_decoder_that_crashes_costs_one_recording(base: Path, collection: Path, tmp_path: Path) -> None:
    """Two recordings at which the process dies, by a signal and of itself, among those that are heard."""
    program = (
        "import os, signal, sys, runtime.lessons as lessons\n"
        "whole = lessons.open_audio\n"
        "def crash(path):\n"
        "    if path.name == '1.flac': os.kill(os.getpid(), signal.SIGSEGV)\n"
        "    if path.name == '2.flac': os._exit(3)\n"
        "    return whole(path)\n"
        "lessons.open_audio = crash\n"
        "if __name__ == '__main__':\n"
        "    from runtime.command.cli import main\n"
        "    sys.exit(main(['teach', *sys.argv[1:]]))\n"
    )
    (tmp_path / "crash.py").write_text(program)
    output = tmp_path / "my.whichdance"
    done = subprocess.run(
        [sys.executable, tmp_path / "crash.py", collection, "-o", output, "--anyway", "--model", base],
        capture_output=True, text=True, timeout=180,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("SIGSEGV") == 3
    assert done.stderr.count("1.flac") == done.stderr.count("2.flac") == 3
    assert Taught.read(output).n_recordings == 12


def living(group: int) -> list[str]:
    """The processes of a group that have not ended, by what the system tells of them."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = path.read_text()
        except OSError:
            continue  # it ended meanwhile
        state, _, its_group = text.rpartition(")")[2].split()[:3]
        if int(its_group) == group and state not in "ZX":
            found.append(text)
    return found


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux")
def test_ctrl_c_leaves_nothing_half_done(base: Path, collection: Path, tmp_path: Path) -> None:
    """At ten moments from the start to beyond the end: no file or the whole one, no processes, one line."""
    output = tmp_path / "my.whichdance"
    command = [sys.executable, "-m", "runtime.command", "teach", collection, "-o", output, "--model", base]
    started = time.monotonic()
    subprocess.run(command, capture_output=True, check=True, timeout=300)
    took = time.monotonic() - started
    expected = output.read_bytes()
    rng = np.random.default_rng(0)
    interrupted = 0
    for moment in (*np.linspace(0.1, 0.95, 8), *rng.uniform(0.8, 1.1, 4)):
        output.unlink(missing_ok=True)
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        ) as child:
            try:
                child.communicate(timeout=moment * took)
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGINT)  # as a terminal does: to all of its processes
            _, err = child.communicate(timeout=60)
        if child.returncode:
            interrupted += 1
            assert child.returncode in (130, -signal.SIGINT), err
            assert "Traceback" not in err or moment < 0.3  # while Python itself still starts
        if output.exists():
            assert output.read_bytes() == expected
        assert {path.name for path in tmp_path.iterdir() if path.name.startswith((".my", "my"))} <= {
            output.name
        }
        deadline = time.monotonic() + 20
        while (left := living(child.pid)) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not left
    assert interrupted >= 4


def test_again_and_merge(
    base: Path, collection: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "my.whichdance"
    assert taught_by(base, collection, "-o", output, "--again") == 2
    assert "was taught before" in capsys.readouterr().err
    assert taught_by(base, collection, "-o", output) == 0
    updated = tmp_path / "updated.onnx"
    updated.write_bytes(base.read_bytes() + b"\x9a\x06\x01a")  # an unknown field
    assert taught_by(updated, collection, "-o", output, "--again") == 0
    first = Taught.read(output)
    assert first.fits(updated)
    assert not first.fits(base)
    shutil.copy(output, tmp_path / "b.whichdance")
    assert main(["teach", "--merge", str(output), str(tmp_path / "b.whichdance"), "-o", str(output)]) == 0
    assert np.allclose(Taught.read(output).head, first.head, atol=1e-3)
    assert Taught.read(output).n_recordings == 36


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda p: (p / "x").mkdir(), "holds no folders named by dances"),
        (lambda p: (p / "x.csv").write_text("a,b\n1,2\n"), "must name the columns path and dance"),
        (lambda p: (p / "x.csv").write_bytes(b"\xff\xfe\x00"), "cannot be read as a table"),
        (lambda p: (p / "x.csv").write_text("path,dance\na.mp3,!!!\n"), "'!!!' is no name of a dance"),
        (
            lambda p: (p / "x.csv").write_text("path,dance\na.mp3,tango\na.mp3,jive\n"),
            "is filed as tango and as jive",
        ),
        (lambda p: (p / "x.npz").write_bytes(b"nothing"), "has no array 'labels'"),
        (lambda p: (p / "x.txt").write_text("a"), "no folder, no table"),
    ],
)
def test_bad_sources_get_one_line(
    base: Path,
    tmp_path: Path,
    make: Callable[[Path], object],
    problem: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "sources"
    folder.mkdir()
    make(folder)
    assert taught_by(base, next(folder.iterdir())) == 2
    err = capsys.readouterr().err
    assert problem in err
    assert err.count("\n") == 1
    assert not list(tmp_path.rglob("*.whichdance"))


def section() -> list[str]:
    """The commands of the user guide's section, those in its text too, in their order."""
    text = (Path(__file__).parents[3] / "docs" / "user_guide.md").read_text("utf-8")
    part = text.split("## Teach it your music")[1].split("\n## ")[0]
    found = re.findall(r"^(whichdance .*)$|`(whichdance [^`]+)`", part, re.MULTILINE)
    return [" ".join((block or inline).split()) for block, inline in found]


def test_the_guides_section_runs(
    base: Path,
    collection: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """From its beginning to its end, on folders of tones, with a small model as the shipped one."""
    shipped = tmp_path / "shipped"
    shipped.mkdir()
    shutil.copy(base, shipped / "tiny.onnx")
    digest = sha256_of(base)
    (shipped / runtime.model.REGISTRY).write_text(
        f'[[models]]\nname = "tiny"\nfile = "tiny.onnx"\nsha256 = "{digest}"\n'
    )
    monkeypatch.setattr(runtime.model, "FOLDER", shipped)
    base.unlink()
    monkeypatch.chdir(tmp_path)
    collection.rename("sorted")
    shutil.copy("sorted/tango/0.flac", "new.mp3")
    shutil.copy("sorted/tango/0.flac", "a.whichdance")  # made anew below
    ran = section()
    assert len(ran) == 6
    for line in ran:
        if "--merge" in line:
            for name in ("a", "b"):
                shutil.copy("my.whichdance", f"{name}.whichdance")
        assert main(shlex.split(line)[1:]) == 0, f"{line}\n{capsys.readouterr()}"
    assert "Tango" in capsys.readouterr().out


@pytest.mark.slow
def test_the_shipped_model_learns_from_players_that_it_has_not_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Recordings of the orchestra by a soundfont that no shipped model was trained with, in wide tempi.

    The shipped model has no milonga. (Of tangos under a name of their own it tells few from the tangos that
    it knows: docs/results.md.)
    """
    from training.cli import main as training

    try:
        _ = Model.load().rehearsal
    except ModelError as error:
        pytest.skip(str(error))
    monkeypatch.chdir(tmp_path)
    wanted = "--dances rumba,milonga,slow_waltz --soundfonts gmbank --tempo wide --seconds 20 --hours 0.15"
    assert training(["corpus", "sorted", "--seed", "9", *shlex.split(wanted)]) == 0
    Path("sorted/milonga").rename("sorted/My Milonga")
    assert main(["teach", "sorted", "-o", "my.whichdance", "--anyway"]) == 0
    assert "My Milonga" in capsys.readouterr().out
    gains = Taught.read("my.whichdance").gains
    assert gains["my_milonga"][1] > gains["my_milonga"][2] / 2
    assert sum(after - before for before, after, _ in gains.values()) > 0


def test_a_model_that_cannot_be_taught(
    tiny_model: Path, collection: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert taught_by(tiny_model, collection) == 1
    assert "cannot be taught" in capsys.readouterr().err
