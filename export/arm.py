"""`python -m export.arm MODEL…`: do phones' processors give the same features and scores?

The same script runs here and, emulated by qemu, on a 64-bit ARM with the wheels that are published for
it. Nothing is installed and no chroot is needed: qemu takes libraries from an unpacked Debian.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from runtime import audio, mel
from runtime.command.exits import Exit, run
from runtime.errors import WhichdanceError
from runtime.mel import Float32

DEBIAN = "bookworm"  # its Python is 3.11, the oldest that the project supports
PYTHON = "3.11"
MIRROR = "https://deb.debian.org/debian"
PACKAGES = ("python3-minimal", f"libpython{PYTHON}-stdlib", "libstdc++6", "zlib1g")
WHEELS = ("numpy>=2", "onnxruntime==1.27.*")
COMPLETE = "complete"  # the file that tells a finished root from one that was interrupted

# Bounds on what may differ. Sums of float32 in another order move the sixth digit; int8 layers sum
# integers, which are the same everywhere, and differ where a sum falls beside a rounding edge.
MAX_DECIBELS = 1e-3  # of bands within 80 dB of the loudest
MAX_SCORE = 1e-4
MAX_SCORE_INT8 = 2e-2
QEMU = ("qemu-aarch64", "qemu-aarch64-static")


class ArmError(WhichdanceError):
    """The check cannot be run, or ARM gives other answers."""


@dataclass(frozen=True)
class Difference:
    """One model here and on ARM.

    Attributes
    ----------
    systems : tuple of str
        What ran: processor and versions, here and on ARM.
    decibels : float
        Largest difference of any band within 80 dB of its recording's loudest.
    scores : float
        Largest difference of any score.
    agreeing, segments : int
        Segments with the same highest class, and all.
    """

    systems: tuple[str, str]
    decibels: float
    scores: float
    agreeing: int
    segments: int


def qemu() -> str | None:
    """The emulator's path, None where it is not installed."""
    return next((path for name in QEMU if (path := shutil.which(name))), None)


def make_root(root: Path, *, pip: Sequence[str] = (sys.executable, "-m", "pip")) -> None:
    """Unpack an ARM Debian with Python, numpy and onnxruntime into a folder, unless it is there.

    Takes debootstrap (which wants to be root), and downloads some 100 MB.
    """
    if (root / COMPLETE).exists():
        return
    if not shutil.which("debootstrap"):
        raise ArmError(
            "debootstrap is not installed; on Debian: apt-get install debootstrap qemu-user-static"
        )
    root.mkdir(parents=True, exist_ok=True)
    _run(
        ["debootstrap", "--arch=arm64", "--foreign", "--variant=minbase", f"--include={','.join(PACKAGES)}",
         DEBIAN, str(root), MIRROR]
    )  # fmt: skip
    for package in sorted((root / "var/cache/apt/archives").glob("*.deb")):
        # /lib is a link to /usr/lib, and should stay one.
        archive = subprocess.run(
            ["dpkg-deb", "--fsys-tarfile", package], capture_output=True, check=True
        ).stdout
        subprocess.run(["tar", "-x", "-C", root, "--keep-directory-symlink"], input=archive, check=True)
    wheels = root / "wheels"
    platforms = [f"--platform=manylinux_2_{glibc}_aarch64" for glibc in (28, 27, 17)]
    _run([*pip, "download", "--quiet", "--only-binary=:all:", f"--python-version={PYTHON}", *platforms,
          "-d", str(wheels), *WHEELS])  # fmt: skip
    for wheel in wheels.glob("*.whl"):
        with zipfile.ZipFile(wheel) as file:
            file.extractall(root / "site-packages")
    (root / COMPLETE).touch()


def _run(command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise ArmError(f"{Path(command[0]).name} failed: {' '.join(last)}")


def made_up_recordings(n: int = 3, seconds: float = 12.0) -> list[Float32]:
    """Beats in noise, mono float32 at 22 050 Hz."""
    generator = np.random.default_rng(0)
    time = np.arange(round(seconds * mel.SAMPLE_RATE)) / mel.SAMPLE_RATE
    found = []
    for _ in range(n):
        beats = np.exp(-8 * (time * generator.uniform(1.3, 3.5) % 1))
        tone = np.sin(2 * np.pi * generator.uniform(80, 2000) * time)
        samples = 0.2 * beats * (tone + generator.normal(size=len(time))) + 0.01 * generator.normal(
            size=len(time)
        )
        found.append(samples.astype(np.float32))
    return found


def difference(model: Path, recordings: Sequence[Float32], root: Path) -> Difference:
    """Run a model here and on emulated ARM.

    Parameters
    ----------
    model : Path
        An .onnx or .ort file.
    recordings : sequence of ndarray, shape (n_samples,), float32
        Mono, at 22 050 Hz.
    root : Path
        Made by `make_root`.

    Raises
    ------
    ArmError
        If qemu is missing or the script fails there.
    """
    emulator = qemu()
    if emulator is None:
        raise ArmError("qemu-aarch64 is not installed; on Debian: apt-get install qemu-user-static")
    project = Path(__file__).parents[1]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.savez(folder / "samples.npz", *recordings)
        arguments = [
            str(Path(__file__).with_name("probe.py")),
            str(folder / "samples.npz"),
            str(model.absolute()),
        ]
        here = os.environ | {"PYTHONPATH": str(project)}
        _run([sys.executable, *arguments, str(folder / "here.npz")], here)
        there = {
            "PATH": os.defpath,
            "PYTHONHOME": str(root.absolute() / "usr"),
            "PYTHONPATH": os.pathsep.join([str(root.absolute() / "site-packages"), str(project)]),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        python = str(root.absolute() / f"usr/bin/python{PYTHON}")
        _run([emulator, "-L", str(root.absolute()), python, *arguments, str(folder / "arm.npz")], there)
        with np.load(folder / "here.npz") as ours, np.load(folder / "arm.npz") as theirs:
            return _difference(dict(ours), dict(theirs))


def _difference(ours: Mapping[str, np.ndarray], theirs: Mapping[str, np.ndarray]) -> Difference:
    decibels, scores, agreeing, segments = 0.0, 0.0, 0, 0
    for key, here in ours.items():
        there = theirs[key]
        if key.startswith("mel "):
            loud = here >= here.max() * 1e-8
            ratio = there[loud].astype(np.float64) / here[loud]
            decibels = max(decibels, float(np.abs(10 * np.log10(np.maximum(ratio, 1e-10))).max()))
        elif key.startswith("scores "):
            scores = max(scores, float(np.abs(there - here).max()))
            agreeing += int((there.argmax(axis=1) == here.argmax(axis=1)).sum())
            segments += len(here)
    return Difference((str(ours["system"]), str(theirs["system"])), decibels, scores, agreeing, segments)


def main(argv: Sequence[str] | None = None) -> int:
    """Compare models; returns the exit status, 1 where one differs beyond the bounds."""
    parser = argparse.ArgumentParser(
        prog="python -m export.arm", description=(__doc__ or "").split("\n\n")[1]
    )
    parser.add_argument("model", nargs="+", type=Path, help=".onnx or .ort")
    parser.add_argument("--root", type=Path, required=True, help="folder for the ARM Debian; made if missing")
    parser.add_argument("--recording", type=Path, action="append", help="audio (default: made up)")
    parser.set_defaults(func=_compare)
    return run(parser, argv)


def _compare(args: argparse.Namespace) -> Exit:
    make_root(args.root)
    recordings = [_mono(path) for path in args.recording or ()] or made_up_recordings()
    failed = False
    for model in args.model:
        found = difference(model, recordings, args.root)
        bound = MAX_SCORE_INT8 if "int8" in model.name else MAX_SCORE
        good = found.decibels <= MAX_DECIBELS and found.scores <= bound
        failed |= not good
        print(f"{model.name}: {' against '.join(found.systems)}")
        print(
            f"  features within {found.decibels:.1e} dB (bound {MAX_DECIBELS:g}), scores within "
            f"{found.scores:.1e} (bound {bound:g}), {found.agreeing} of {found.segments} segments with "
            f"the same answer: {'same' if good else 'DIFFERENT'}"
        )
    return Exit.FAILED if failed else Exit.OK


def _mono(path: Path) -> Float32:
    samples, sample_rate = audio.read(path)
    if sample_rate != mel.SAMPLE_RATE:
        raise ArmError(
            f"{path}: its sampling rate is {sample_rate} Hz; this check takes {mel.SAMPLE_RATE} Hz"
        )
    return samples


if __name__ == "__main__":
    sys.exit(main())
