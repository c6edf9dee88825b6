"""The commands that the guides show, taken out of them and run in their order on a foreign collection.

What a page shows must run, or stand below with the reason why it does not. Settings are made small by
replacements that each have to fit somewhere, so that a page that changes takes this file with it.
"""

import contextlib
import csv
import glob
import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import mutagen
import numpy as np
import pytest
import soundfile
import torch

import export.cli
import runtime.command.cli
import training.cli
from training.torchvision_import import models as torchvision_models

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    *(ROOT / "docs" / f"{name}.md" for name in ("training", "export", "user_guide")),
    *sorted(p for p in ROOT.glob("*/README.md") if p.parent.name not in ("docs", "tests")),
    *sorted((ROOT / "docs").glob("*/README.md")),
]
PROGRAMS = (
    *(
        "python",
        "whichdance",
        "whichdance-app",
        "ffmpeg",
        "torchrun",
        "pip",
        "pytest",
        "ruff",
        "mypy",
        ".ci/run",
    ),
    *("sudo", "apt", "apt-get", "git", "npm", "./build.sh", "buildozer", "adb", "mkdocs", "pre-commit"),
)

NOT_HERE = {  # what does not run in this test, and why
    r"^(sudo |pip |apt|npm |git |buildozer|adb|mkdocs|pre-commit|\./build\.sh)": "changes the machine",
    r"^(pytest|ruff|\.ci/run|mypy)": "CI does",
    r"^python (-m )?examples[./]": "have tests of their own, or take days",
    r"label ballroom": "mirdata's download",
    r"whichdance teach|my\.whichdance": "tests/runtime/command/test_teach.py runs the section",
    r"--rehearse": "tests/export/test_rehearsal.py",
    r"whichdance --live|whichdance-app|--microphone": "need a microphone or a window",
    r"benchmarks|corpus CORPUS": "tests/benchmarks",
    r"experiment all": "tests/training/experiments/test_small.py",
    r"mobile_app": "tests/mobile_app",
    r"export\.(table|arm)": "rewrite a page, need a Debian for ARM; tests/export",
    r"^python -m web_app|http\.server": "serves until it is stopped; tests/web_app",
    r"^python -m sounddevice": "lists this machine's microphones",
}
SLOW = (r"runs/densenet$", r"table4\.6", r"--int8|--float16", r"corpus (a|b|made) ", r"-i made")
SMALL = [  # of the fast test; (what stands in a page, what runs)
    (r"--hours 10$", "--hours 0.05 --seconds 6 --jobs 1 --dances tango,rumba --soundfonts fluidmono"),
    (
        r"--epochs 60 --batch-size 32",
        "--epochs 6 --evaluate-every 3 --batch-size 8 --width 0.25 --trunk dense",
    ),
    (r"(experiment (table4\.9|figure4\.7) .*)$", r"\1 --architecture rhythmogram {tiny}"),
    (r"(experiment table4\.4 .*)--seeds 5$", r"\1--seeds 2 {tiny}"),
    (r"(experiment table4\.4 .*)--folds 5$", r"\1--folds 3 {tiny}"),
    (r"runs/again", "runs/again --epochs 1"),
    (r"--jobs (8|4)\b", "--jobs 2"),
    (r"(calibrate .*)$", r"\1 --sequences 4 --max-error 0.6"),
]
TINY = "--width 0.25 --epochs 1 --batches-per-epoch 2 --evaluate-every 1 --workers 0"
ONCE = "--epochs 1 --batches-per-epoch 1 --evaluate-every 1 --workers 0"
SLOWLY = [  # of the slow test
    (r"runs/densenet$", "runs/densenet --weights densenet161.pth {once}"),
    (r"(experiment table4\.6 .*)$", r"\1 --weights random --bands 56 {once}"),
    (r"--hours 0\.5", "--hours 0.1 --jobs 2"),  # not 2.5: verifying int8 takes a thousand segments
    (r"--hours 2\.5", "--hours 2.5 --jobs 2"),
    (r"--hours 0\.12 ", "--hours 0.12 --jobs 2 "),
]
FAILS = {  # there is a broken file in those folders
    r"^whichdance .*music/": 1,
    r"manifest info music.csv|training features music.csv": 1,
}


@dataclass(frozen=True)
class Command:
    """A line of a page."""

    page: str
    text: str


def commands(page: Path) -> list[Command]:
    """Lines of code blocks that begin with a program's name, and commands in the text, in their order."""
    found = []
    fence = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
    text, position = page.read_text(encoding="utf-8"), 0
    for block in [*fence.finditer(text), None]:
        prose = text[position : block.start() if block else len(text)]
        for inline in re.findall(r"`((?:python -m \w|whichdance |torchrun )[^`]+)`", prose):
            line = " ".join(inline.split())
            named = 4 if line.startswith("python -m training") else 3 if line.startswith("python -m") else 1
            arguments = line.split()[named:]  # a program's name alone is prose
            if arguments and not re.search(r"…|\b[A-Z]{2,}\b|^whichdance --[\w-]+$|--help", line):
                found.append(line)
        if block and block[1] in ("", "sh", "console", "bash"):
            for line in block[2].replace("\\\n", " ").splitlines():
                line = " ".join(line.removeprefix("$ ").split())
                if line.split(" ")[0] in PROGRAMS or line.startswith("pip"):
                    found += [part.strip() for part in line.split(" && ")] if '"' not in line else [line]
        position = block.end() if block else len(text)
    return [Command(str(page.relative_to(ROOT)), line) for line in found]


def sleeping(command: Command) -> bool:
    return any(re.search(pattern, command.text) for pattern in NOT_HERE)


def slow(command: Command) -> bool:
    return any(re.search(pattern, command.text) for pattern in SLOW)


@dataclass
class Place:
    """A folder that commands run in, and what they printed."""

    folder: Path
    printed: dict[str, str] = field(default_factory=dict)

    def run(self, text: str, replacements: list[tuple[str, str]]) -> None:
        """Run a line; AssertionError with what it printed unless it ends as it should."""
        small = text
        for pattern, replacement in replacements:
            small = re.sub(pattern, replacement.replace("{tiny}", TINY).replace("{once}", ONCE), small)
        status, out, err = execute(small, self.folder)
        expected = next((s for pattern, s in FAILS.items() if re.search(pattern, text)), 0)
        said = f"{out[-3000:]}\n{err[-3000:]}"
        assert status == expected, f"{small}\nended with {status}, not {expected}\n{said}"
        self.printed[text] = out + err

    def output_of(self, pattern: str) -> str:
        [found] = [out for text, out in self.printed.items() if re.search(pattern, text)]
        return found


MAINS: dict[str, Callable[[list[str]], int]] = {
    "python -m training": training.cli.main,
    "python -m export": export.cli.main,
    "whichdance": runtime.command.cli.main,
}


def execute(line: str, folder: Path) -> tuple[int, str, str]:
    """Exit status and output; our own commands in this process, for PyTorch takes seconds to import."""
    main = next((m for name, m in MAINS.items() if line.startswith(name + " ")), None)
    if main is None or "|" in line:
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", "-c", line], cwd=folder, capture_output=True, text=True, env=os.environ | {"PATH": path}
        )
        return done.returncode, done.stdout, done.stderr
    name = next(name for name in MAINS if line.startswith(name + " "))
    argv = []
    for word in shlex.split(line.removeprefix(name), comments=True):
        argv += sorted(glob.glob(word, root_dir=folder)) if "*" in word else [word]
    out, err = io.StringIO(), io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            status = int(main(argv) or 0)
        except SystemExit as end:
            status = int(end.code or 0)
    return status, out.getvalue(), err.getvalue()


RATES = {"flac": 44_100, "ogg": 48_000, "mp3": 44_100, "wav": 22_050}
FOLDERS = {  # as other people name them: (beats per minute, pitch in Hz of the accented beat, beats in a bar)
    "Cha-Cha-Cha (Latin)": (124, 500.0, 4),
    "Rumba-American": (100, 300.0, 4),
    "QUICKSTEP": (200, 1200.0, 4),
    "Wiener Walzer": (175, 4000.0, 3),
    "ST – Tango": (128, 2400.0, 4),  # told by aliases.toml
}


def write_music(path: Path, bpm: float, pitch: float, beats: int, *, seed: int, seconds: float = 7) -> None:
    """A tune over clicks in the format of the suffix: other rates, one or two channels, other levels."""
    rng = np.random.default_rng([seed, round(bpm)])
    rate = RATES[path.suffix[1:]]
    samples = rng.normal(0, 0.01, round(seconds * rate))
    time = np.arange(rate // 5) / rate
    key = 2 ** rng.uniform(-0.5, 0.5)
    for i, start in enumerate(np.arange(rng.uniform(0, 0.6), seconds, 60 / bpm / rng.uniform(0.97, 1.03))):
        note = pitch * key * (1 if i % beats == 0 else 2 ** (rng.integers(1, 30) / 12))
        tone = np.sin(2 * np.pi * note * time) * np.exp(-time * rng.uniform(8, 30))
        part = samples[int(start * rate) :][: len(tone)]
        part += (0.6 if i % beats == 0 else 0.3) * tone[: len(part)]
    samples *= rng.uniform(0.05, 1)
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.stack([samples, 0.8 * samples], axis=1) if seed % 3 else samples, rate)
    if path.suffix != ".wav":
        tags = mutagen.File(path, easy=True)
        tags["artist"] = f"Band {seed % 20}"
        tags.save()


def broken_files(folder: Path) -> list[Path]:
    """What collections have beside music."""
    names = ("empty.mp3", "text.wav", "cut off.flac", "silent.wav", "too short.wav", "no numbers.wav")
    empty, text, cut, silent, short, nan = (folder / name for name in names)
    empty.touch()
    text.write_text("RIFF and no more")
    whole = next(iter(sorted(folder.glob("*.flac")))).read_bytes()
    cut.write_bytes(whole[:200])
    soundfile.write(silent, np.zeros(8 * 22_050), 22_050)
    soundfile.write(short, np.zeros(2 * 22_050), 22_050)
    soundfile.write(nan, np.full(8 * 22_050, np.nan, np.float32), 22_050, subtype="FLOAT")
    (folder / "cover.jpg").touch()
    (folder / ".hidden.wav").write_text("")
    return [empty, text, cut, short]


@pytest.fixture(scope="module")
def guide(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """The place of docs/training.md and docs/export.md after their fast commands."""
    folder = tmp_path_factory.mktemp("researcher")
    music = folder / "music"
    for name, (bpm, pitch, beats) in FOLDERS.items():
        for i in range(15):
            suffix = ("flac", "ogg", "mp3", "wav")[i % 4]
            path = music / name / f"{i:02} Söng – No. {i} [live].{suffix}"
            write_music(path, bpm, pitch, beats, seed=i)
        samples, rate = soundfile.read(music / name / "00 Söng – No. 0 [live].flac")
        for again in ("copy", "sampler"):  # the same song, louder, later, in another encoding
            soundfile.write(music / name / f"{again} of no. 0.ogg", 0.5 * samples[rate // 3 :], rate)
    broken_files(music / "QUICKSTEP")
    (music / "Photos").mkdir()
    (folder / "aliases.toml").write_text('"ST – Tango" = "tango"\n', encoding="utf-8")
    text = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    rules = re.search(r"```toml\n(\[\[source\]\].*?)```", text, re.DOTALL)
    assert rules
    (folder / "rules.toml").write_text(rules[1], encoding="utf-8")
    for i, name in enumerate(("EW - Moon River", "Tango Max", "Quick Step 50 MPM", "Rumba & Samba")):
        write_music(folder / "downloads" / "channel" / f"{name}.ogg", 90, 700.0, 3, seed=i)
    from training.data.imports import EXTENDED_BALLROOM

    for i, name in enumerate(EXTENDED_BALLROOM):
        write_music(folder / "extended_ballroom_v1.1" / name / f"{100 + i}.mp3", 100 + i, 900.0, 4, seed=i)
    (folder / "extended_ballroom_v1.1" / "extendedballroom_v1.1.xml").write_text(
        '<r><Chacha><song id="100" artist="A" title="T" album="B" bpm="100"/></Chacha></r>'
    )
    rows = ["path,dance,artist"]
    for i, (bpm, pitch, beats) in enumerate(FOLDERS.values()):
        for k in range(9):
            write_music(folder / "others" / f"{i} {k}.wav", bpm, pitch, beats, seed=100 + k)
            dance = ("cha_cha_cha", "rumba", "quickstep", "viennese_waltz", "tango")[i]
            rows.append(f"others/{i} {k}.wav,{dance},Band {k}")
    for name in ("held-out.csv", "phone.csv"):
        (folder / name).write_text("\n".join(rows) + "\n")
    write_music(folder / "crowd.wav", 317, 1500.0, 5, seed=7)
    write_music(folder / "song.mp3", 200, 1200.0, 4, seed=8)

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None: ...

    web = tmp_path_factory.mktemp("web")
    write_music(web / "one.ogg", 100, 300.0, 4, seed=60)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(web))) as server:
        address = f"http://127.0.0.1:{server.server_port}"
        (web / "feed.xml").write_text(
            '<rss version="2.0"><channel><title>Hour</title><item><title>Guantanamera</title>'
            f'<enclosure url="{address}/one.ogg" type="audio/ogg" length="1"/></item></channel></rss>'
        )
        (folder / "links.csv").write_text(f"url,dance\n{address}/feed.xml,rumba\n")
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        place = Place(folder)
        for page in ("training", "export"):
            if page == "export":
                (folder / "run").mkdir()
                shutil.copy(folder / "runs" / "small" / "best.pt", folder / "run" / "best.pt")
            for command in commands(ROOT / "docs" / f"{page}.md"):
                if not sleeping(command) and not slow(command):
                    place.run(command.text, SMALL)
        yield place
        server.shutdown()


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


def test_every_page_has_commands_and_every_exception_is_needed() -> None:
    every = [c for page in PAGES for c in commands(page)]
    assert {c.page for c in every} >= {
        "README.md",
        "docs/training.md",
        "docs/export.md",
        "docs/user_guide.md",
    }
    running = [c.text for c in every if not sleeping(c)]
    assert len([text for text in running if text.startswith("python -m training")]) > 30
    for pattern in SLOW:
        assert any(re.search(pattern, text) for text in running), f"{pattern} fits no command any more"
    for pattern, _ in (*SMALL, *SLOWLY):
        assert any(re.search(pattern, text) for text in running), f"{pattern} fits no command any more"
    known = {c.text.split()[0] for c in every if not sleeping(c)}
    assert known <= {"python", "whichdance", "ffmpeg"}, "a program that this test does not know"


pytestmark = pytest.mark.filterwarnings("default")
needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg")


@needs_ffmpeg
def test_the_collection_is_labelled_as_its_folders_say(guide: Place) -> None:
    rows = rows_of(guide.folder / "music.csv")
    dances = {row["path"].split("/")[1]: row["dance"] for row in rows}
    assert dances == {
        "Cha-Cha-Cha (Latin)": "cha_cha_cha",
        "Rumba-American": "rumba",
        "QUICKSTEP": "quickstep",
        "Wiener Walzer": "viennese_waltz",
        "ST – Tango": "tango",
    }
    for dance in dances.values():
        splits = [row["split"] for row in rows if row["dance"] == dance]
        assert splits.count("test") == splits.count("validation") == 6
    assert [(r["path"].split("/")[-1], r["dance"]) for r in rows_of(guide.folder / "named.csv")] == [
        ("EW - Moon River.ogg", "slow_waltz"),
        ("Quick Step 50 MPM.ogg", "quickstep"),
    ]
    assert "conflicting: Rumba & Samba.ogg" in guide.output_of(r"label names")
    extended = rows_of(guide.folder / "extended.csv")
    assert len(extended) == 11
    assert {row["dance"]: row["tempo_bpm"] for row in extended}["cha_cha_cha"] == "100.0"


@needs_ffmpeg
def test_what_was_downloaded_has_its_title(guide: Place) -> None:
    [row] = rows_of(guide.folder / "downloads" / "manifest.csv")
    assert (row["dance"], row["title"], row["source"]) == ("rumba", "Guantanamera", "Hour")
    assert soundfile.info(guide.folder / "downloads" / row["path"]).duration == pytest.approx(7, abs=0.2)


@needs_ffmpeg
def test_what_is_missing_or_broken_is_told(guide: Place) -> None:
    said = guide.output_of(r"training features")
    for name in ("empty.mp3", "text.wav", "cut off.flac", "too short.wav"):
        assert name in said
    merged = rows_of(guide.folder / "lists" / "all.csv")
    assert len(merged) == len(rows_of(guide.folder / "music.csv")) + 2
    assert all((guide.folder / "lists" / r["path"]).exists() for r in merged)


@needs_ffmpeg
def test_no_song_is_in_both_sets_and_nothing_else_is_lost(guide: Place) -> None:
    before, after = (rows_of(guide.folder / f"{name}.csv") for name in ("music", "clean"))
    kept = {row["path"] for row in after}
    gone = [row for row in before if row["path"] not in kept]
    assert gone
    assert all(row["split"] == "train" for row in gone)
    versions = re.compile(r"No\. 0 |no\. 0\.")  # the song that was put in three times
    for dance in {row["dance"] for row in before}:
        splits = {r["split"] for r in after if r["dance"] == dance and versions.search(r["path"])}
        assert splits
        assert not splits >= {"train", "test"}
    assert len(rows_of(guide.folder / "pairs.csv")) >= len(gone)


@needs_ffmpeg
def test_the_accuracy_is_of_the_test_split_alone(guide: Place) -> None:
    """Recomputed from the rows, by nothing of ours; the split by names of files."""
    rows = [r for r in rows_of(guide.folder / "report" / "recordings.csv") if r["dataset"] == "music"]
    tested = {Path(r["path"]).name for r in rows_of(guide.folder / "clean.csv") if r["split"] == "test"}
    heard = {Path(r["path"]).name for r in rows}
    assert heard <= tested
    assert tested - heard <= {"empty.mp3", "text.wav", "cut off.flac", "too short.wav", "no numbers.wav"}
    right = 0
    for row in rows:
        scores = {name: float(value) for name, value in list(row.items())[10:]}
        right += max(scores, key=scores.__getitem__) == row["truth"]
    report = json.loads((guide.folder / "report" / "report.json").read_text())["datasets"]
    music = next(d for d in report if d["name"] == "music")
    assert (music["top1"]["right"], music["top1"]["total"]) == (right, len(rows))
    assert music["seen"] == {}
    assert right / len(rows) > 0.5  # chance is a fifth; it has learnt something
    assert next(d for d in report if d["name"] == "extended")["top1"]["total"] == 11
    compared = guide.output_of(r"training compare")
    assert "baseline" in compared
    with np.load(guide.folder / "embeddings.npz") as arrays:
        assert np.isfinite(arrays["embeddings"]).all()


@needs_ffmpeg
def test_a_run_started_again_is_the_same_run(guide: Place) -> None:
    first, again = (
        list(csv.DictReader((guide.folder / "runs" / name / "log.csv").read_text().splitlines()))
        for name in ("small", "again")
    )
    settings = [
        tomllib.loads((guide.folder / "runs" / name / "settings.toml").read_text())["method"]
        for name in ("small", "again")
    ]
    assert settings[0] | {"epochs": 1} == settings[1]
    assert len(first) == 6
    assert len(again) == 1


@needs_ffmpeg
def test_tables_and_models_are_made(guide: Place) -> None:
    repeated = ("seeds/table4.4-seeds.md", "folds/table4.4-folds.md")
    for name in ("tables/table4.9.md", "tables/figure4.7.md", *repeated):
        assert "%" in (guide.folder / name).read_text(encoding="utf-8"), name
    assert "±" in (guide.folder / "seeds" / "table4.4-seeds.md").read_text(encoding="utf-8")
    listed = tomllib.loads((guide.folder / "models" / "models.toml").read_text())["models"]
    assert "mine" in {model["name"] for model in listed}
    assert (guide.folder / "models" / "mine.onnx").stat().st_size > 10_000
    answer = guide.output_of(r"^whichdance --model models/mine.onnx song.mp3")
    assert "%" in answer or "sure" in answer


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """The place of the user guide and README: the examples as somebody's music, one file broken."""
    folder = tmp_path_factory.mktemp("user")
    shutil.copytree(ROOT / "examples", folder / "examples", ignore=shutil.ignore_patterns("*.py", "__*"))
    (folder / "docs" / "images").mkdir(parents=True)

    def copy(name: str, target: str) -> None:
        samples, rate = soundfile.read(ROOT / "examples" / f"{name}.ogg")
        (folder / target).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(folder / target, samples, rate)

    copy("rumba", "song.mp3")
    copy("quickstep", "mix.mp3")
    copy("rumba", "music/Söng (live).flac")
    copy("viennese_waltz", "music/CD 1/02 – [waltz].ogg")
    copy("quickstep", "music/.hidden.ogg")
    copy("quickstep", "more/a b.flac")
    (folder / "music" / "broken.mp3").write_text("no music")
    place = Place(folder)
    for page in ("docs/user_guide.md", "README.md", "examples/README.md"):
        if page.startswith("examples"):
            (folder / "medley.flac").unlink()  # ffmpeg asks before it overwrites
        for command in commands(ROOT / page):
            if not sleeping(command) and not slow(command) and "jq" not in command.text:
                place.run(command.text, SMALL)
    return place


@needs_ffmpeg
def test_the_user_guide(user: Place) -> None:
    answers = rows_of(user.folder / "answers.csv")
    assert {Path(r["path"]).name: r["dance"] for r in answers if not r["error"]} == {
        "Söng (live).flac": "rumba",
        "02 – [waltz].ogg": "viennese_waltz",
    }
    assert [Path(r["path"]).name for r in answers if r["error"]] == ["broken.mp3"]
    assert "Rumba" in user.output_of(r"^whichdance song.mp3")
    lists = {p.stem: p.read_text(encoding="utf-8") for p in (user.folder / "lists").glob("*.m3u8")}
    assert "Söng (live).flac" in lists["Rumba"]
    tags = mutagen.File(user.folder / "music" / "Söng (live).flac")
    assert tags["DANCE"] == ["Rumba"]
    assert soundfile.info(user.folder / "medley.flac").duration == pytest.approx(72, abs=2)
    assert (user.folder / "song.png").read_bytes().startswith(b"\x89PNG")
    assert "TRACK 01 AUDIO" in (user.folder / "mix.cue").read_text(encoding="utf-8")
    for name in ("Quickstep", "Rumba", "Viennese Waltz"):
        assert name in user.output_of(r"^whichdance --parts medley.flac")


@needs_ffmpeg
@pytest.mark.skipif(shutil.which("jq") is None, reason="needs jq")
def test_json_goes_into_jq(user: Place) -> None:
    [command] = [c.text for c in commands(ROOT / "docs" / "user_guide.md") if "| jq" in c.text]
    _, out, _ = execute(command.replace("tango", "rumba"), user.folder)
    assert out.splitlines() == ["music/Söng (live).flac"]


@needs_ffmpeg
@pytest.mark.slow
def test_what_takes_long(guide: Place) -> None:
    """The thesis's network, all four architectures, the small files, and the examples made anew."""
    network = torchvision_models.get_model("densenet161", weights=None)
    torch.save(network.state_dict(), guide.folder / "densenet161.pth")
    (guide.folder / "examples").mkdir()
    for page in PAGES:
        for command in commands(page):
            if slow(command) and not sleeping(command):
                guide.run(command.text, SLOWLY)
    assert "DenseNet 161" in (guide.folder / "tables" / "table4.6.md").read_text(encoding="utf-8")
    assert (guide.folder / "runs" / "densenet" / "best.pt").exists()
    assert list((guide.folder / "models").glob("*.int8.onnx"))
    assert list((guide.folder / "made").glob("rumba/*.flac"))
