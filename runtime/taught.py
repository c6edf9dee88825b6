"""The file of a head of one's own, NAME.whichdance: JSON that a person can read, and the head's numbers.

It holds no network: the features are the shipped model's, named by its hash. Nothing in it is code, and
what does not fit is refused in one line.
"""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from runtime.atomic import replacing
from runtime.dances import OTHER, label_problem
from runtime.errors import ModelError, ParameterError
from runtime.evidence import EvidenceSettings
from runtime.mel import Float32
from runtime.rehearsal import array_of, softmax, text_of

SUFFIX = ".whichdance"
FORMAT = 1
MAX_BYTES = 4_000_000
MAX_LABELS = 256
MAX_SIZE = 16384


@dataclass(frozen=True)
class Taught:
    """A head that was taught, and what it was taught with.

    Attributes
    ----------
    model, version : str
        The model whose features it takes.
    sha256 : str
        Of that model's file.
    labels : tuple of str
        Of the head's rows; 'other' last where music may be none of the dances.
    head : ndarray, shape (n_labels, size + 1)
        Weights and, last, bias: the scores are the softmax of what they give.
    evidence : EvidenceSettings
    recordings : mapping of str to int
        How many of each label it was taught with.
    strength : float
        Of the prior around the shipped head.
    gains : mapping of str to (int, int, int)
        Of each label the recordings that were right before, after (by cross-validation), and all.
    created_by : str
    """

    model: str
    version: str
    sha256: str
    labels: tuple[str, ...]
    head: Float32
    evidence: EvidenceSettings
    recordings: Mapping[str, int]
    strength: float
    gains: Mapping[str, tuple[int, int, int]] = field(default_factory=dict)
    created_by: str = "whichdance teach"

    @property
    def dances(self) -> tuple[str, ...]:
        """The labels that are dances."""
        return tuple(label for label in self.labels if label != OTHER)

    @property
    def n_recordings(self) -> int:
        """With which it was taught, all together."""
        return sum(self.recordings.values())

    def scores(self, features: Float32) -> Float32:
        """Scores (n, n_labels) of features (n, size)."""
        return softmax(features @ self.head[:, :-1].T + self.head[:, -1])

    def fits(self, path: Path) -> bool:
        """Whether the file is the model whose features the head takes."""
        return sha256_of(path) == self.sha256

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the file, whole or not at all; the same head gives the same bytes."""
        content = {
            "whichdance": FORMAT,
            "model": self.model,
            "version": self.version,
            "sha256": self.sha256,
            "labels": self.labels,
            "recordings": dict(sorted(self.recordings.items())),
            "strength": self.strength,
            "gains": {label: list(gain) for label, gain in sorted(self.gains.items())},
            "evidence": json.loads(self.evidence.to_json()),
            "created_by": self.created_by,
            "size": self.head.shape[1] - 1,
            "head": text_of(self.head, "f2"),
        }
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(content, indent=1) + "\n", "utf-8")

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> "Taught":
        """Read and check a file.

        Raises
        ------
        ModelError
            If it cannot be read, or is not what `write` writes; one line, which names the file.
        """
        path = Path(path)
        try:
            if path.stat().st_size > MAX_BYTES:
                raise ModelError(f"{path}: too large for a file of whichdance teach")
            found = json.loads(path.read_text("utf-8"))
        except OSError as error:
            raise ModelError(f"{path}: cannot be read ({error.strerror})") from error
        except (ValueError, RecursionError) as error:
            raise ModelError(f"{path}: is no file of whichdance teach (not JSON)") from error
        try:
            return cls._checked(found)
        except (ValueError, TypeError, OverflowError, RecursionError) as error:
            raise ModelError(f"{path}: is no file of whichdance teach ({error})") from error

    @classmethod
    def _checked(cls, found: Any) -> "Taught":
        if not isinstance(found, dict) or found.get("whichdance") != FORMAT:
            raise ValueError(f"it does not say 'whichdance': {FORMAT}")

        def text(key: str) -> str:
            value = found.get(key)
            if not isinstance(value, str) or len(value) > 500 or not value.isprintable():
                raise ValueError(f"{key!r} is no text")
            return value

        labels = found.get("labels")
        if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
            raise ValueError("'labels' is no list of labels")
        if len(labels) > MAX_LABELS:
            raise ValueError(f"more than {MAX_LABELS} labels")
        if problem := label_problem(labels[:-1] if labels[-1:] == [OTHER] else labels):
            raise ValueError(f"labels: {problem}")
        size, strength = found.get("size"), found.get("strength")
        if not isinstance(size, int) or isinstance(size, bool) or not 0 < size <= MAX_SIZE:
            raise ValueError(f"'size' is {size!r}")
        if isinstance(strength, bool) or not isinstance(strength, int | float) or not strength > 0:
            raise ValueError(f"'strength' is {strength!r}")
        recordings, gains = found.get("recordings"), found.get("gains")
        if not isinstance(recordings, dict) or not all(
            label in labels and _is_whole(n) and n >= 0 for label, n in recordings.items()
        ):
            raise ValueError("'recordings' is no number for each label")
        if not isinstance(gains, dict) or not all(
            label in labels and isinstance(g, list) and len(g) == 3 and all(map(_is_whole, g))
            for label, g in gains.items()
        ):
            raise ValueError("'gains' is no three numbers for each label")
        return cls(
            text("model"),
            text("version"),
            text("sha256"),
            tuple(labels),
            array_of(found.get("head"), (len(labels), size + 1), "f2"),
            EvidenceSettings.from_json(json.dumps(found.get("evidence"))),
            recordings,
            float(strength),
            {label: (g[0], g[1], g[2]) for label, g in gains.items()},
            text("created_by"),
        )

    def in_short(self) -> str:
        """What the file is, in a line."""
        return (
            f"{len(self.dances)} dances, taught with {self.n_recordings} recordings on the model "
            f"{self.model} {self.version}"
        )

    def about(self) -> str:
        """What the file says of itself, for a person."""
        lines = [
            f"a head of {len(self.dances)} dances on the features of the model {self.model} {self.version}",
            f"SHA-256 of that model: {self.sha256}",
            f"taught with {self.n_recordings} recordings: "
            + ", ".join(f"{label} {n}" for label, n in sorted(self.recordings.items()) if n),
            f"strength of the prior: {self.strength:g}",
        ]
        for label, (before, after, total) in sorted(self.gains.items()):
            lines.append(f"  {label}: right before {before}, after {after}, of {total} (cross-validation)")
        return "\n".join([*lines, f"made by {self.created_by}"])


class TaughtEngine:
    """A taught head behind an engine that gives features; the runtime's `InferenceEngine`.

    Parameters
    ----------
    base : FeatureEngine
        Of the model that the head was taught on.
    taught : Taught
    path : Path
        Of the taught file; where the engine was loaded from.
    """

    def __init__(self, base: Any, taught: Taught, path: Path) -> None:
        self.base = base
        self.taught = taught
        self.path = path
        self.threads: int | None = getattr(base, "threads", None)
        self.metadata: dict[str, str] = base.metadata

    def run(self, batch: Float32) -> Float32:
        """Scores (n, n_dances) of segments (n, 1, 224, segment_frames) of mel power."""
        return self.taught.scores(self.embed(batch))[:, : len(self.taught.dances)]

    def embed(self, batch: Float32) -> Float32:
        """Features of the base model."""
        found: Float32 = self.base.embed(batch)
        return found


def sha256_of(path: Path) -> str:
    """Of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def merged(parts: Sequence[Taught]) -> Taught:
    """Several heads as one: their mean, weighted by how many recordings each was taught with.

    A dance that only some of them know has the mean of these. The evidence's settings are those of the head
    with most recordings; what was gained cannot be known without the recordings, and is left out.

    Raises
    ------
    ParameterError
        If there are fewer than two, or they are of different models.
    """
    if len(parts) < 2:
        raise ParameterError("--merge needs at least two files")
    first = parts[0]
    for part in parts:
        if part.sha256 != first.sha256:
            raise ParameterError(
                f"heads of different models cannot be merged: {first.model} {first.version} and {part.model} "
                f"{part.version}; teach --again brings them to one model"
            )
    dances = tuple(dict.fromkeys(label for part in parts for label in part.dances))
    labels = (*dances, OTHER) if any(OTHER in part.labels for part in parts) else dances
    head = np.zeros((len(labels), first.head.shape[1]))
    for i, label in enumerate(labels):
        knowing = [part for part in parts if label in part.labels]
        weights = np.array([max(1, part.n_recordings) for part in knowing], np.float64)
        rows = np.stack([part.head[part.labels.index(label)] for part in knowing]).astype(np.float64)
        head[i] = (weights[:, None] * rows).sum(axis=0) / weights.sum()
    recordings: dict[str, int] = {}
    for part in parts:
        for label, n in part.recordings.items():
            recordings[label] = recordings.get(label, 0) + n
    largest = max(parts, key=lambda part: part.n_recordings)
    return Taught(
        first.model,
        first.version,
        first.sha256,
        labels,
        head.astype(np.float32),
        largest.evidence,
        recordings,
        largest.strength,
        {},
        f"whichdance teach --merge of {len(parts)} files",
    )


def user_folder() -> Path:
    """Where the taught files of this user lie, whether or not it exists."""
    from platformdirs import user_data_path

    return user_data_path("whichdance", appauthor=False) / "taught"


def users_own(folder: Path | None = None) -> dict[str, Path]:
    """The taught files of this user, by name.

    Parameters
    ----------
    folder : Path, optional
        Where they lie, as an app has its own; `user_folder` if None, and no files where there is none.
    """
    try:
        folder = folder or user_folder()
        return {path.stem: path for path in sorted(folder.glob(f"*{SUFFIX}"))}
    except (ImportError, OSError):
        return {}


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
