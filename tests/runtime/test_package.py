"""What the runtime promises as a package: it is light, and arrows only point towards it."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from runtime.dances import DANCE_KEYS, DANCES, TEN, Dance, dance
from runtime.model import shipped

ROOT = Path(__file__).parents[2]


def test_import_is_light():
    heavy = (
        "torch",
        "scipy",
        "librosa",
        "matplotlib",
        "soundfile",
        "rich",
        "onnxruntime",
        "mutagen",
        "sounddevice",
    )
    code = f"import sys, runtime, runtime.command.cli; print([m for m in {heavy} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert out.stdout == "[]\n"


def test_telemetry_is_off_before_onnxruntime_loads(tiny_model):
    load = f"runtime.Model.load({str(tiny_model)!r})"
    code = f"import os, runtime; {load}; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert out.stdout == "1\n"


def test_arrows_point_towards_runtime():
    """The import contracts in pyproject.toml, checked by import-linter."""
    code = (
        "import sys; from importlinter.cli import lint_imports_command; lint_imports_command(['--no-cache'])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert out.returncode == 0, out.stdout + out.stderr


def test_ten_dances_in_the_order_of_the_thesis():
    assert DANCE_KEYS == (
        "cha_cha_cha", "jive", "paso_doble", "quickstep", "rumba",
        "samba", "slow_foxtrot", "slow_waltz", "tango", "viennese_waltz",
    )  # fmt: skip


@pytest.mark.parametrize("d", TEN, ids=DANCE_KEYS)
def test_dance_is_consistent(d):
    assert dance(d.key) is d
    assert d.family in ("Latin", "Standard")
    assert d.thesis
    assert d.metre.startswith(str(d.beats_per_bar))
    assert d.mpm_low < d.mpm_min < d.mpm_max < d.mpm_high
    assert d.source


@pytest.mark.parametrize("d", [d for d in DANCES.values() if not d.thesis], ids=lambda d: d.key)
def test_social_dance_is_consistent(d):
    assert d.metre.startswith(str(d.beats_per_bar))
    assert d.mpm_low < d.mpm_min < d.mpm_max < d.mpm_high <= 2 * d.mpm_low
    assert d.family not in ("", "Latin", "Standard")


def test_the_ten_come_first_and_colours_differ():
    assert tuple(DANCES)[:10] == DANCE_KEYS
    assert len({d.colour for d in DANCES.values()}) == len(DANCES)


def test_of_an_unknown_dance_its_name_is_known():
    assert dance("hully_gully") == Dance("hully_gully", "Hully Gully")


def test_imported_from_a_zip_archive(tmp_path):
    """As some ship programs: the models are found, and nothing is left behind."""
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for path in (ROOT / "runtime").rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                archive.write(path, path.relative_to(ROOT))
    (tmp_path / "scratch").mkdir()
    song = str(ROOT / "examples" / "rumba.ogg")
    code = (
        "import sys; sys.path.insert(0, 'x.zip'); import runtime; assert 'x.zip' in runtime.__file__\n"
        f"for model in runtime.model.shipped(): print(runtime.Classifier(model).classify({song!r}).dance)"
    )
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment["TMPDIR"] = str(tmp_path / "scratch")
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == ["rumba"] * len(shipped())
    assert not list((tmp_path / "scratch").iterdir())
