"""What a model file carries so that a head can be taught on its features, and forget nothing.

The last layer, as it is: with one row more or less it is another model. And what the features of each class
look like on generated music, a Gaussian per class with one covariance for all, of low rank plus a diagonal
(as in factor analysis; Lawley and Maxwell 1962). Who teaches has recordings of some dances; the others are
rehearsed by draws from these (pseudo-rehearsal; Robins 1995).
"""

import base64
import binascii
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runtime.dances import OTHER
from runtime.errors import ModelError
from runtime.mel import Float32

FIELD = "rehearsal"  # of a model file's metadata
FEATURES_FIELD = "features"
MAX_FEATURES = 16384
MAX_CLASSES = 1024


def text_of(array: NDArray[Any], dtype: str) -> str:
    """Numbers as base64 of little-endian values; read by `array_of`."""
    return base64.b64encode(np.ascontiguousarray(array, np.dtype(dtype).newbyteorder("<")).tobytes()).decode()


def array_of(text: object, shape: Sequence[int], dtype: str) -> Float32:
    """What `text_of` wrote, as float32.

    Raises
    ------
    ValueError
        If it is not base64, of another size, or holds what is no finite number.
    """
    kind = np.dtype(dtype).newbyteorder("<")
    try:
        data = base64.b64decode(text if isinstance(text, str) else "!", validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("numbers that are no base64") from None
    if len(data) != math.prod(shape) * kind.itemsize:
        raise ValueError(f"{len(data)} bytes of numbers where {math.prod(shape) * kind.itemsize} belong")
    array: Float32 = np.frombuffer(data, kind).reshape(shape).astype(np.float32)
    if not np.isfinite(array).all():
        raise ValueError("numbers that are not finite")
    return array


def uniform(seed: int, n: int) -> NDArray[np.float64]:
    """The first `n` numbers, from 0 to below 1, of the generator mulberry32, which JavaScript has as well."""
    t = np.uint32(seed) + np.arange(1, n + 1, dtype=np.uint32) * np.uint32(0x6D2B79F5)
    t = (t ^ t >> np.uint32(15)) * (t | np.uint32(1))
    t ^= t + (t ^ t >> np.uint32(7)) * (t | np.uint32(61))
    return (t ^ t >> np.uint32(14)) / 4294967296


def normals(seed: int, n: int) -> NDArray[np.float64]:
    """`n` standard normal numbers: of each two of `uniform` cosine and sine (Box and Muller 1958)."""
    pairs = uniform(seed, n + n % 2).reshape(-1, 2)
    radius = np.sqrt(-2 * np.log(1 - pairs[:, 0]))
    angle = 2 * np.pi * pairs[:, 1]
    return np.column_stack([radius * np.cos(angle), radius * np.sin(angle)]).ravel()[:n]


@dataclass(frozen=True)
class Rehearsal:
    """The last layer, and the statistics of the features that it and a taught one are given.

    Attributes
    ----------
    labels : tuple of str
        Of the layer's rows: the model's dances, and 'other' last where that is a class.
    head : ndarray, shape (n_labels, n_features + 1)
        Weights, 0 of features that the layer does not see, and, last, bias; calibration's temperature and
        prior included, so that the scores are the softmax of what they give.
    classes : tuple of str
        That there are statistics of.
    means : ndarray, shape (n_classes, n_features)
    directions : ndarray, shape (rank, n_features)
        Their outer products sum to the covariance within classes, but for
    spread : ndarray, shape (n_features,)
        the standard deviation that is each feature's own.
    recordings : int
        That the statistics are of.
    """

    labels: tuple[str, ...]
    head: Float32
    classes: tuple[str, ...]
    means: Float32
    directions: Float32
    spread: Float32
    recordings: int

    @property
    def n_features(self) -> int:
        """How many features a segment has."""
        return self.head.shape[1] - 1

    def draws(self, label: str, n: int) -> NDArray[np.float64]:
        """Features of `n` made-up segments of a class, shape (n, n_features); always the same."""
        place = self.classes.index(label)
        rank = len(self.directions)
        drawn = normals(place, n * (rank + self.n_features)).reshape(n, -1)
        common = drawn[:, :rank] @ self.directions.astype(np.float64)
        found: NDArray[np.float64] = self.means[place] + common + drawn[:, rank:] * self.spread
        return found

    def scores(self, features: NDArray[np.floating]) -> Float32:
        """The shipped layer's scores (n, n_labels) of features (n, n_features)."""
        return softmax(features @ self.head[:, :-1].T + self.head[:, -1])

    def to_json(self) -> str:
        """As it stands in a model's metadata: the layer in single, the statistics in half precision."""
        return json.dumps(
            {
                "size": self.n_features,
                "labels": self.labels,
                "classes": self.classes,
                "rank": len(self.directions),
                "recordings": self.recordings,
                "head": text_of(self.head, "f4"),
                "means": text_of(self.means, "f2"),
                "directions": text_of(self.directions, "f2"),
                "spread": text_of(self.spread, "f2"),
            }
        )

    @classmethod
    def from_json(cls, text: str) -> "Rehearsal":
        """Read what `to_json` wrote; ValueError where it is malformed."""
        found = json.loads(text)
        if not isinstance(found, dict):
            raise ValueError("no object")
        size, rank = (_whole(found, key, MAX_FEATURES) for key in ("size", "rank"))
        labels, classes = (_words(found, key) for key in ("labels", "classes"))
        return cls(
            labels,
            array_of(found.get("head"), (len(labels), size + 1), "f4"),
            classes,
            array_of(found.get("means"), (len(classes), size), "f2"),
            array_of(found.get("directions"), (rank, size), "f2"),
            array_of(found.get("spread"), (size,), "f2"),
            _whole(found, "recordings", 10**9),
        )

    @classmethod
    def from_metadata(cls, path: object, metadata: Mapping[str, str], labels: Sequence[str]) -> "Rehearsal":
        """Of a model file that says so of itself.

        Parameters
        ----------
        path : object
            Of the file, for messages.
        metadata : mapping of str to str
        labels : sequence of str
            The model's dances.

        Raises
        ------
        ModelError
            If the file carries none, or it is malformed or of other dances.
        """
        if not metadata.get(FIELD):
            raise ModelError(
                f"{path}: cannot be taught: it carries no statistics of its features; export it with "
                "`python -m export … --rehearse MANIFEST.csv`, or take a newer model"
            )
        try:
            found = cls.from_json(metadata[FIELD])
        except (ValueError, OverflowError, RecursionError) as error:
            raise ModelError(f"{path}: metadata field {FIELD!r} is malformed ({error})") from error
        if tuple(label for label in found.labels if label != OTHER) != tuple(labels):
            raise ModelError(f"{path}: metadata field {FIELD!r} is of other dances than the model")
        return found


def softmax(logits: NDArray[np.floating]) -> Float32:
    """Along the last axis."""
    p = np.exp(logits - logits.max(axis=-1, keepdims=True))
    shares: Float32 = p / p.sum(axis=-1, keepdims=True)
    return shares


def features_size(path: object, metadata: Mapping[str, str]) -> int | None:
    """How many features the file says it gives per segment; None where it gives none.

    Raises
    ------
    ModelError
        If the field is malformed.
    """
    if not metadata.get(FEATURES_FIELD):
        return None
    try:
        found = json.loads(metadata[FEATURES_FIELD])
        if not isinstance(found, dict):
            raise ValueError("no object")
        return _whole(found, "size", MAX_FEATURES)
    except (ValueError, OverflowError, RecursionError) as error:
        raise ModelError(f"{path}: metadata field {FEATURES_FIELD!r} is malformed ({error})") from error


def _whole(found: Mapping[str, Any], key: str, most: int) -> int:
    value = found.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= most:
        raise ValueError(f"{key!r} is {value!r}, not a whole number from 1 to {most}")
    return value


def _words(found: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = found.get(key)
    if not isinstance(value, list) or not 0 < len(value) <= MAX_CLASSES:
        raise ValueError(f"{key!r} is no list of labels")
    if not all(isinstance(word, str) for word in value) or len(set(value)) < len(value):
        raise ValueError(f"{key!r} is no list of different labels")
    return tuple(value)
