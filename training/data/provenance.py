"""What a checkpoint has seen, and what made it: hashes of recordings, versions, commit."""

import platform
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import runtime
from training.data.store import Stored, digest_of

DIGITS = 16  # of a recording's hash: 64 bits
PACKAGES = ("torch", "torchvision", "lightning-fabric", "numpy", "scipy", "soundfile", "onnxruntime")


def hash_of(recording: Stored) -> str:
    """Of the audio file's content and the front end, as the spectrogram store has it."""
    return recording.file.stem[:DIGITS]


def hash_of_file(path: Path) -> str:
    """The same for a file that is not in the store."""
    return digest_of(path)[:DIGITS]


def hashes(recordings: Iterable[Stored]) -> list[str]:
    """Hashes of recordings, each once, in order."""
    return sorted({hash_of(r) for r in recordings})


def seen(checkpoint: Mapping[str, Any]) -> dict[str, set[str]]:
    """Hashes of what a network was made with, by use: 'train', 'validation', 'calibration'.

    Includes what its teacher, the network that it started from, or the networks that were merged into it
    were trained on. Empty for checkpoints of versions that kept no hashes.
    """
    training = checkpoint.get("training") or {}
    parts = [part.get("recordings") or {} for part in (training, *training.get("merged", ()))]
    return {use: set(values) for use, values in joined(parts).items()}


def joined(parts: Sequence[Mapping[str, Iterable[str]]]) -> dict[str, list[str]]:
    """Hashes by use of several networks together, as a checkpoint keeps them."""
    found: dict[str, set[str]] = {}
    for part in parts:
        for use, values in part.items():
            found.setdefault(use, set()).update(values)
    return {use: sorted(values) for use, values in found.items()}


def versions() -> dict[str, str]:
    """Of Python, of this package, of the libraries that numbers depend on, and the machine."""
    found = {"whichdance": runtime.__version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found | {"machine": f"{platform.system()} {platform.machine()}"}


def commit() -> str:
    """The commit of the clone that this code runs from, with '+' where it was changed; '' outside one."""
    folder = Path(__file__).parents[1]

    def git(*arguments: str) -> str:
        result = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=10, check=True
        )
        return result.stdout.strip()

    try:
        return git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain", "--", str(folder)) else "")
    except (OSError, subprocess.SubprocessError):
        return ""
