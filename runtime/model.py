"""Load and check a self-describing .onnx file, and run it.

The file is the contract: its metadata say what it was made for, and everything that the network needs
done to the mel power (logarithm, normalisation, further transforms) is part of its graph.
"""

import hashlib
import json
import math
import os
import stat
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from runtime import mel
from runtime.dances import label_problem
from runtime.errors import ModelError, ParameterError
from runtime.evidence import EvidenceSettings
from runtime.mel import Float32
from runtime.rehearsal import Rehearsal, features_size
from runtime.scratch import unpacked
from runtime.taught import SUFFIX, Taught, TaughtEngine, sha256_of, users_own

FORMAT_VERSION = "1"
INPUT = "mel"  # float32 (batch, 1, n_mels, segment_frames), mel power
FRAMES = "frames"  # name of the input's last axis where windows have several lengths
OUTPUT = "scores"  # float32 (batch, n_labels), softmax scores; what they lack of one is none of the dances
FEATURES = "features"  # float32 (batch, size), of a second output: what the last layer sees, and before it
OLD_FEATURES = "embedding"  # its name in files of version 0.1
MAX_SEGMENT_FRAMES = 4096  # 95 s
EXTERNAL = b"\x08location\x12"  # how a tensor's reference to another file is encoded
TOLERANCE = 1e-3  # of scores: what half precision and quantised weights may be off
FOLDER = unpacked("models")  # of shipped models
REGISTRY = "models.toml"


class InferenceEngine(Protocol):
    """Whatever computes scores from segments: onnxruntime here, its Java package on a phone."""

    def run(self, batch: Float32) -> Float32:
        """Scores (n, n_labels) of segments (n, 1, 224, segment_frames) of mel power."""
        ...


@runtime_checkable
class FeatureEngine(InferenceEngine, Protocol):
    """An engine that gives the features as well."""

    path: Path
    metadata: dict[str, str]

    def embed(self, batch: Float32) -> Float32:
        """Features (n, size) of segments (n, 1, 224, segment_frames) of mel power."""
        ...


@dataclass(frozen=True)
class ModelInfo:
    """What a model file says of itself; all of it is checked on load.

    Attributes
    ----------
    name, version : str
    labels : tuple of str
        The dances that the model knows, in the order of its outputs.
    segment_frames : int
        Width of a segment in frames.
    context_frames : tuple of int
        Widths of windows that the network takes, the shortest being the segment; longer ones hear more of the
        same music (`runtime.context`).
    normalisation : str
        What the graph does to the mel power, in words.
    training_data, licence, created_by : str
    reject_threshold : float or None
        Mean score below which the model abstains where the thesis's mean is asked for; None where it was
        never calibrated.
    evidence : EvidenceSettings
        How its scores amount to an answer; defaults where it was never calibrated.
    group_temperatures : dict of str to (float, float)
        By the group of dances that are danced (`runtime.dances.group_of`) the temperature of its evidence:
        where other music is played as well, and where nothing else is. Empty where it was never calibrated.
    """

    name: str
    version: str
    labels: tuple[str, ...]
    segment_frames: int
    normalisation: str
    training_data: str
    licence: str
    created_by: str
    reject_threshold: float | None
    evidence: EvidenceSettings = field(default_factory=EvidenceSettings)
    context_frames: tuple[int, ...] = ()
    group_temperatures: Mapping[str, tuple[float, float]] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if not self.context_frames:
            object.__setattr__(self, "context_frames", (self.segment_frames,))

    @classmethod
    def from_metadata(cls, path: str | os.PathLike[str], metadata: Mapping[str, str]) -> "ModelInfo":
        """Check the metadata of a model file and read them.

        Parameters
        ----------
        path : path-like
            Named in error messages.
        metadata : mapping of str to str
            The file's metadata_props.

        Raises
        ------
        ModelError
            If a field is missing, malformed, or disagrees with this runtime's front end.
        """

        def text(key: str) -> str:
            if key not in metadata:
                raise ModelError(
                    f"{path}: metadata field {key!r} is missing; export the model with `python -m export`"
                )
            return metadata[key]

        expected: dict[str, str | float] = {
            "format_version": FORMAT_VERSION,
            "sample_rate": mel.SAMPLE_RATE,
            "n_fft": mel.N_FFT,
            "hop_length": mel.HOP_LENGTH,
            "n_mels": mel.N_MELS,
            "fmin": mel.FMIN,
            "fmax": mel.FMAX,
        }
        for key, value in expected.items():
            found = text(key)
            same = found == value if isinstance(value, str) else _number(path, key, found) == value
            if not same:
                raise ModelError(f"{path}: metadata field {key!r} is {found!r}, this runtime has {value!r}")
        segment_frames = _number(path, "segment_frames", text("segment_frames"))
        if not 1 <= segment_frames <= MAX_SEGMENT_FRAMES or segment_frames != int(segment_frames):
            raise ModelError(
                f"{path}: metadata field 'segment_frames' is {segment_frames:g}, not a whole number from 1 "
                f"to {MAX_SEGMENT_FRAMES}"
            )
        context = [
            _number(path, "context_frames", part)
            for part in (metadata.get("context_frames") or metadata["segment_frames"]).split(",")
        ]
        grows = all(a < b <= MAX_SEGMENT_FRAMES and b == int(b) for a, b in pairwise((0.0, *context)))
        if context[0] != segment_frames or not grows:
            raise ModelError(
                f"{path}: metadata field 'context_frames' is {metadata['context_frames']!r}, not whole "
                f"numbers that grow from segment_frames to at most {MAX_SEGMENT_FRAMES}"
            )
        labels = tuple(text("labels").split(","))
        if problem := label_problem(labels):
            raise ModelError(f"{path}: metadata field 'labels' is {metadata['labels']!r}: {problem}")
        threshold = _number(path, "reject_threshold", text("reject_threshold") or "0")
        if not 0 <= threshold <= 1:
            raise ModelError(
                f"{path}: metadata field 'reject_threshold' is {threshold:g}, not a number from 0 to 1"
            )
        try:
            evidence = EvidenceSettings.from_json(metadata.get("evidence") or "{}")
        except (ValueError, OverflowError, RecursionError) as error:
            raise ModelError(f"{path}: metadata field 'evidence' is malformed ({error})") from error
        return cls(
            name=text("name"),
            version=text("version"),
            labels=labels,
            segment_frames=int(segment_frames),
            normalisation=text("normalisation"),
            training_data=text("training_data"),
            licence=text("licence"),
            created_by=text("created_by"),
            reject_threshold=threshold if text("reject_threshold") else None,
            evidence=evidence,
            context_frames=tuple(map(int, context)),
            group_temperatures=group_temperatures_of(path, metadata.get("group_temperatures") or "{}"),
        )


def group_temperatures_of(path: str | os.PathLike[str], text: str) -> dict[str, tuple[float, float]]:
    """The metadata field of that name, read; ModelError, which names the file, where it is malformed."""
    try:
        found = {str(group): (float(a), float(b)) for group, (a, b) in json.loads(text).items()}
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ModelError(f"{path}: metadata field 'group_temperatures' is malformed ({error})") from error
    if not all(0 < value < math.inf for pair in found.values() for value in pair):
        raise ModelError(f"{path}: metadata field 'group_temperatures' has values that are not above 0")
    return found


@dataclass(frozen=True)
class Model:
    """A checked model: what it says of itself and the engine that runs it."""

    info: ModelInfo
    engine: InferenceEngine

    @classmethod
    def load(cls, model: str | os.PathLike[str] | None = None, *, threads: int | None = None) -> "Model":
        """Load a model into onnxruntime.

        Parameters
        ----------
        model : path-like or str, optional
            A path to an .onnx file, or the name of a shipped model; the default shipped model if None.
        threads : int, optional
            As for `OnnxEngine`.

        Raises
        ------
        ModelError
            If the file is missing, not ONNX, lacks metadata, or does not fit this runtime.
        """
        path = resolve(model)
        if path.suffix == SUFFIX:
            return cls._load_taught(path, threads)
        engine = OnnxEngine(path, threads=threads)
        info = ModelInfo.from_metadata(path, engine.metadata)
        engine.check(info)
        return cls(info, engine)

    @classmethod
    def _load_taught(cls, path: Path, threads: int | None) -> "Model":
        taught = Taught.read(path)
        base = cls.load(_base_of(path, taught), threads=threads)
        return base.with_head(taught, path)

    def with_head(self, taught: Taught, path: Path) -> "Model":
        """This model with a head that was taught on it, as from the file at `path`.

        Raises
        ------
        ModelError
            If the head is not for these features.
        """
        size = features_size(path, getattr(self.engine, "metadata", {}))
        if size is not None and taught.head.shape[1] != size + 1:
            raise ModelError(f"{path}: its head takes {taught.head.shape[1] - 1} features, not {size}")
        info = replace(
            self.info,
            name=path.stem,
            labels=taught.dances,
            evidence=taught.evidence,
            group_temperatures={},  # were fitted to the shipped head
            reject_threshold=None,
        )
        return Model(info, TaughtEngine(self.engine, taught, path))

    def run(self, batch: Float32) -> Float32:
        """Scores of segments (n, 1, 224, segment_frames) of mel power.

        Returns
        -------
        ndarray, shape (n, n_labels + 1)
            In the order of `info.labels`; last what they lack of one: none of the dances.

        Raises
        ------
        ModelError
            If the network fails, or its scores are no probabilities.
        """
        scores = self.engine.run(batch)
        self._check_scores(scores, len(batch))
        rest = np.maximum(1 - scores.sum(axis=1, keepdims=True), 0)
        return np.concatenate([scores, rest], axis=1)

    def embed(self, batch: Float32) -> Float32:
        """The features of segments (n, 1, 224, segment_frames), where the file gives them.

        Returns
        -------
        ndarray, shape (n, size)
            What the network's last layer sees, and behind it means of earlier layers where the file gives
            them: alike for music that sounds alike to the network; not scaled.

        Raises
        ------
        ModelError
            If the file has no such output.
        """
        if not isinstance(self.engine, FeatureEngine):
            raise ModelError(f"{type(self.engine).__name__} gives no features")
        return self.engine.embed(batch)

    @cached_property
    def rehearsal(self) -> Rehearsal:
        """What the file carries for teaching; ModelError where it carries nothing."""
        if not isinstance(self.engine, FeatureEngine):
            raise ModelError(f"{type(self.engine).__name__} gives no features")
        return Rehearsal.from_metadata(self.engine.path, self.engine.metadata, self.info.labels)

    def _check_scores(self, scores: Float32, n: int) -> None:
        name = self.info.name
        where = f"{self.engine.path}: " if isinstance(self.engine, OnnxEngine) else ""
        which = f"{where}the model {name!r}"
        if scores.shape != (n, len(self.info.labels)):
            raise ModelError(f"{which} gave scores of shape {scores.shape} for {n} segments")
        # Written so that nan fails.
        if not (np.all(scores >= -TOLERANCE) and np.all(scores.sum(axis=1) <= 1 + TOLERANCE)):
            raise ModelError(
                f"{which} gave scores that are no probabilities: they must be 0 or more, and "
                "sum to at most 1 per segment; export it with `python -m export`"
            )

    def __reduce__(self) -> tuple[Callable[..., "Model"], tuple[Path, int | None]]:
        """A model is pickled as the path of its file, and loaded again where it is unpickled."""
        if not isinstance(self.engine, OnnxEngine | TaughtEngine):
            raise TypeError(f"cannot pickle a model that runs on {type(self.engine).__name__}")
        return _load_again, (self.engine.path.absolute(), self.engine.threads)


def _load_again(path: Path, threads: int | None) -> Model:
    return Model.load(path, threads=threads)


class OnnxEngine:
    """onnxruntime behind the `InferenceEngine` protocol.

    Parameters
    ----------
    path : Path
        An .onnx or .ort file.
    threads : int, optional
        Threads within an operator, at most one for each core; if None one fewer, which is left to decoding.
    """

    def __init__(self, path: Path, *, threads: int | None = None) -> None:
        if threads is None:
            threads = max(1, cores() - 1)
        if threads != int(threads) or threads < 1:
            raise ParameterError(f"threads must be a whole number of at least 1, got {threads!r}")
        self.path = path
        self.threads = min(int(threads), cores())
        data = self._read(path)
        # Read when the library loads; audio and usage never leave the device.
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.inter_op_num_threads = 1
        # Threads that spin while they wait for work take the core on which the next block is decoded.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.intra_op_num_threads = self.threads
        # Where references to other files would lead, should one have been encoded in an unusual way.
        options.add_session_config_entry("session.model_external_initializers_file_folder_path", os.devnull)
        try:
            # Without its fallback, which prints to standard output and tries the same once more.
            self._session: Any = onnxruntime.InferenceSession(
                data, options, providers=["CPUExecutionProvider"], enable_fallback=0
            )
            # The bytes decode as UTF-8 only here; a file may hold anything.
            self.metadata: dict[str, str] = self._session.get_modelmeta().custom_metadata_map
        except UnicodeDecodeError as error:
            raise ModelError(f"{path}: its metadata are not UTF-8; is the file damaged?") from error
        except Exception as error:  # onnxruntime's errors share no public base class
            raise ModelError(
                f"{path}: not an ONNX model that this onnxruntime loads ({_one_line(error)})"
            ) from error

    @staticmethod
    def _read(path: Path) -> bytes:
        """The whole file; a model is one file, and refers to no other."""
        try:
            if not stat.S_ISREG(path.stat().st_mode):
                raise ModelError(f"{path}: is no regular file")
            data = path.read_bytes()
        except OSError as error:
            raise ModelError(f"{path}: cannot be read ({error.strerror})") from error
        if EXTERNAL in data:
            raise ModelError(
                f"{path}: keeps its weights in another file (external data); export it as one file"
            )
        return data

    def check(self, info: ModelInfo) -> None:
        """ModelError unless inputs and outputs are as the metadata and the contract say."""
        width: int | str = info.segment_frames if len(info.context_frames) == 1 else FRAMES
        wanted_in = (INPUT, "tensor(float)", [1, mel.N_MELS, width])
        wanted_out = (OUTPUT, "tensor(float)", [len(info.labels)])
        features = {FEATURES, OLD_FEATURES}
        try:
            inputs, every = (
                [(node.name, node.type, list(node.shape[1:])) for node in nodes]
                for nodes in (self._session.get_inputs(), self._session.get_outputs())
            )
        except UnicodeDecodeError as error:
            raise ModelError(f"{self.path}: names in its graph are damaged; export it anew") from error
        outputs = [node for node in every if node[0] not in features]
        for kind, found, wanted in (("input", inputs, wanted_in), ("output", outputs, wanted_out)):
            if found != [wanted]:
                raise ModelError(f"{self.path}: its {kind} is {found}, this runtime needs {[wanted]}")
        size = features_size(self.path, self.metadata)
        given = [shape for name, _, shape in every if name == FEATURES]
        if size is not None and given != [[size]]:
            raise ModelError(f"{self.path}: says that it gives {size} features, but gives {given}")

    def run(self, batch: Float32) -> Float32:
        """Scores (n, n_labels) of segments (n, 1, 224, segment_frames) of mel power."""
        return self.compute([OUTPUT], {INPUT: batch})[0]

    def compute(self, outputs: Sequence[str], inputs: Mapping[str, Float32]) -> list[Float32]:
        """Outputs of the graph by their names, whatever it is for."""
        given = {name: np.ascontiguousarray(value, np.float32) for name, value in inputs.items()}
        try:
            computed: list[Float32] = self._session.run(list(outputs), given)
        except Exception as error:  # onnxruntime's errors share no public base class
            raise ModelError(f"{self.path}: failed while it ran ({_one_line(error)})") from error
        return computed

    def embed(self, batch: Float32) -> Float32:
        """Features (n, size) of segments (n, 1, 224, segment_frames) of mel power."""
        names = [node.name for node in self._session.get_outputs() if node.name in (FEATURES, OLD_FEATURES)]
        if not names:
            raise ModelError(
                f"{self.path}: has no output {FEATURES!r}, so that it cannot be taught; `python -m export` "
                "writes one where the last layer is linear"
            )
        try:
            found: Float32 = self._session.run(names, {INPUT: np.ascontiguousarray(batch, np.float32)})[0]
        except Exception as error:  # onnxruntime's errors share no public base class
            raise ModelError(f"{self.path}: failed while it ran ({_one_line(error)})") from error
        if not np.isfinite(found).all():
            raise ModelError(f"{self.path}: gave features that are not finite numbers")
        return found


def _one_line(error: Exception) -> str:
    """What a library says in several lines, without what it says of its own source."""
    return " ".join(str(error).split())[:300]


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def shipped() -> dict[str, dict[str, Any]]:
    """The models that this installation carries: name → entry of models.toml, the default first."""
    path = FOLDER / REGISTRY
    try:
        entries = tomllib.loads(path.read_text("utf-8"))["models"]
        return {str(entry["name"]): {"file": "", "sha256": ""} | entry for entry in entries}
    except (OSError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise ModelError(
            f"{path}: the list of shipped models cannot be read ({error}); reinstall whichdance"
        ) from error


def _base_of(path: Path, taught: Taught) -> Path:
    """The model that a head was taught on: a shipped one, or an .onnx beside the taught file, by its hash."""
    for entry in shipped().values():
        if entry["sha256"] == taught.sha256:
            return FOLDER / entry["file"]
    for beside in sorted(path.parent.glob("*.onnx")):
        if sha256_of(beside) == taught.sha256:
            return beside
    raise ModelError(
        f"{path}: was taught on another model, {taught.model} {taught.version} (SHA-256 "
        f"{taught.sha256[:12]}…): teach it again from your recordings, `whichdance teach --again FOLDER -o "
        f"{path.name}`, or put that model's .onnx beside it"
    )


def resolve(model: str | os.PathLike[str] | None = None) -> Path:
    """The file of a model given by path or by the name of a shipped one.

    A path always works; a shipped file is checked against its SHA-256.

    Raises
    ------
    ModelError
        If there is neither such a file nor such a name, or the hash differs.
    """
    if model is not None:
        path = Path(model)
        if path.is_file():
            return path
        if path.suffix or len(path.parts) > 1:
            raise ModelError(f"{path}: no such model file")
    models = shipped()
    name = next(iter(models), None) if model is None else os.fspath(model)
    if name not in models:
        own = users_own()
        if name in own:
            return own[name]
        yours = f"; yours are {', '.join(own)}" if own else ""
        raise ModelError(f"no model named {name!r}; shipped are {', '.join(models)}{yours}; or give a path")
    path = FOLDER / models[name]["file"]
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"{path}: the shipped model cannot be read; reinstall whichdance") from error
    if digest != models[name]["sha256"]:
        raise ModelError(f"{path}: differs from the shipped model (SHA-256 {digest}); reinstall whichdance")
    return path


def _number(path: str | os.PathLike[str], key: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ModelError(f"{path}: metadata field {key!r} is {text!r}, not a number") from None
