"""The package by its own name, and what is built from the tree."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import runtime
import whichdance

ROOT = Path(__file__).parents[2]


def python(*arguments: str, cwd: Path) -> str:
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_it_offers_what_the_runtime_offers() -> None:
    assert all(getattr(whichdance, name) is getattr(runtime, name) for name in runtime.__all__)
    assert set(whichdance.__all__) == set(runtime.__all__)
    assert whichdance.__version__ == runtime.__version__


def test_the_command_by_the_name_of_the_package() -> None:
    assert python("-m", "whichdance", "--version", cwd=ROOT).split()[-1] == whichdance.__version__


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what git tracks or would track: no leftovers of earlier builds."""
    listing = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], capture_output=True, text=True, cwd=ROOT
    )
    if listing.returncode:
        pytest.skip("not a git checkout")
    copy = tmp_path_factory.mktemp("tree")
    for name in listing.stdout.splitlines():
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, copy / name)
    return copy


PLAIN = ("numpy", "onnxruntime", "soundfile", "rich")  # what a plain installation brings
LACKING = """
import runpy, sys
for library in {libraries}:
    sys.modules[library] = None
sys.argv = {argv}
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""


def brought_by(*extras: str) -> set[str]:
    """Names by which the libraries of extras are imported."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        known = tomllib.load(file)["project"]["optional-dependencies"]
    names = {"scikit-learn": "sklearn", "lightning-fabric": "lightning_fabric", "yt-dlp": "yt_dlp"}
    wanted = {re.split(r"[\[<>=]", text)[0] for extra in extras for text in known[extra]} - {"whichdance"}
    return {names.get(name, name.replace("-", "_")) for name in wanted}


def run_without(libraries: set[str], *argv: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    script = LACKING.format(libraries=sorted(libraries), argv=list(argv))
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", script]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment)


@pytest.mark.parametrize(
    ("words", "extra"),
    [
        ("training evaluate model.pt songs.csv", "training"),
        ("training train songs.csv -o run", "training"),
        ("training corpus music --hours 1", "training"),
        ("export best.pt -o models --licence Apache-2.0", "export"),
        ("benchmarks training", "bench"),
    ],
)
def test_a_plain_installation_says_what_to_install(words: str, extra: str, tmp_path: Path) -> None:
    (tmp_path / "songs.csv").write_text("path,dance,split\na.wav,rumba,train\n")
    (tmp_path / "model.pt").touch()
    (tmp_path / "best.pt").touch()
    libraries = brought_by("training", "export", "bench")
    assert not libraries & set(PLAIN)

    done = run_without(libraries, *words.split(), cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith(f"python -m {words.split()[0]}: needs ")
    assert f"pip install 'whichdance[{extra}]'" in done.stderr


def test_what_an_extra_brings_suffices_for_its_commands(tmp_path: Path) -> None:
    """`export` stands on parts of `training`, whose libraries it needs without all that trains."""
    done = run_without(
        brought_by("training", "bench") - brought_by("export"), "export", "--help", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_the_sdist_builds_the_wheel_that_the_tree_builds(tree: Path, tmp_path: Path) -> None:
    build = ("-m", "build", "--no-isolation", "--outdir")
    python(*build, str(tmp_path / "tree"), "--wheel", ".", cwd=tree)
    shutil.rmtree(tree / "build", ignore_errors=True)
    for leftover in tree.glob("*.egg-info"):
        shutil.rmtree(leftover)
    python(*build, str(tmp_path / "sdist"), ".", cwd=tree)  # the sdist, then the wheel from it alone
    [by_tree], [by_sdist] = ((tmp_path / folder).glob("*.whl") for folder in ("tree", "sdist"))
    assert by_tree.name == by_sdist.name
    first, second = contents(by_tree), contents(by_sdist)
    assert sorted(first) == sorted(second)
    assert [name for name in first if first[name] != second[name]] == []

    carried = {f"{p.relative_to(tree)}" for p in (tree / "runtime" / "models").iterdir()}
    carried |= {"whichdance/__init__.py", "runtime/py.typed", "whichdance/py.typed"}
    assert carried - set(first) == set()
    assert not [name for name in first if "mobilenet" in name]  # for comparison; its recipe makes it
    assert by_tree.stat().st_size < 20e6
    tops = {name.split("/")[0] for name in first}
    assert not tops & {"tests", "docs", "examples", "web_app", "benchmarks"}
