"""`python -m web_app build`: lay the page out as files that any static host serves."""

import base64
import gzip
import hashlib
import json
import lzma
import os
import re
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import runtime
from runtime.atomic import replacing
from runtime.beat_activations import shipped_beats
from runtime.errors import ParameterError, WhichdanceError
from runtime.model import FOLDER as FACTS
from runtime.model import Model, resolve, shipped
from runtime.rehearsal import FEATURES_FIELD, FIELD
from runtime.taught import sha256_of
from web_app.definition import LZMA, PREFERRED_RATE, RATES, definition, front_end_file, rate_definition
from web_app.words import LANGUAGES, words

FOLDER = Path(__file__).parent
PAGE = FOLDER / "page"
NODE_MODULES = FOLDER / "node_modules"
NOT_SERVED = {".d.ts"}  # suffixes of what only the type checker reads
WORKER = "service_worker.js"
LISTED = b"self.PRECACHE = "  # a built worker begins so, with its list; also tells a build from other folders
POLICY = re.compile(r'http-equiv="Content-Security-Policy"\s+content="([^"]+)"')
NOJEKYLL = ".nojekyll"  # keeps GitHub Pages from leaving files out

INT8 = "-int8"  # behind the name of the float model

ORT_MJS = "vendor/ort-wasm-simd-threaded.mjs"
ORT_WASM = f"vendor/ort-wasm-simd-threaded.wasm{LZMA}"
COPIED = {  # file below node_modules → file of the page
    "onnxruntime-web/dist/ort.wasm.min.mjs": "vendor/ort.wasm.min.mjs",
    "onnxruntime-web/dist/ort-wasm-simd-threaded.mjs": ORT_MJS,
    "mediabunny/dist/bundles/mediabunny.min.mjs": "vendor/mediabunny.min.mjs",
}
PACKED = {"onnxruntime-web/dist/ort-wasm-simd-threaded.wasm": ORT_WASM}
COMMONJS = {"fft.js/lib/fft.js": "vendor/fft.js"}
Contexts = tuple[int, int, int]  # bits of the byte before, and of the place, that LZMA's odds depend on
CODE: Contexts = (3, 0, 0)
NUMBERS: Contexts = (0, 2, 2)  # of four bytes
DICTIONARY = 1 << 24  # bytes: all of a file
UNLZMA = "engine/unlzma.js"
TYPES = {".js": "text/javascript", ".mjs": "text/javascript", ".json": "application/json"}  # of what is text
FIRST = "ui/app.js"  # asked for by the page, before its service worker is there
IMPORTED = re.compile(r"""\bfrom '(\.[^']+)';""")
BEATS = "model/beats.onnx.gzip"
LATER = (  # downloaded once the page is ready, or when needed
    "vendor/mediabunny.min.mjs",
    BEATS,
    *(front_end_file(rate) for rate in RATES if rate > PREFERRED_RATE),  # of studios' devices
)


@dataclass(frozen=True)
class Build:
    """What was built.

    Attributes
    ----------
    folder : Path
    version : str
        Changes with any of its bytes.
    sizes : dict of str to int
        File → bytes that the service worker is sent for it.
    later, wanted : tuple of str
        Files that come in the background once the page is ready, and those that come when asked for.
    model : Path
        The .onnx file that it listens with.
    """

    folder: Path
    version: str
    sizes: dict[str, int]
    later: tuple[str, ...]
    wanted: tuple[str, ...]
    model: Path

    @property
    def download(self) -> int:
        """Bytes until the page is ready on a first visit, on a host that compresses nothing."""
        return sum(size for file, size in self.sizes.items() if file not in (*self.later, *self.wanted))

    @property
    def background(self) -> int:
        """Bytes that follow in the background."""
        return sum(self.sizes[file] for file in self.later)


def build(folder: str | os.PathLike[str], *, model: str | os.PathLike[str] | None = None) -> Build:
    """Build the page.

    Parameters
    ----------
    folder : path-like
        Created, or replaced where it holds an earlier build; left as it was if anything fails.
    model : path-like or str, optional
        A path to an .onnx file, or the name of a shipped model; the one of `chosen` if None.

    Raises
    ------
    ParameterError
        If the folder holds something else.
    ModelError
        If the model does not fit this runtime.
    WhichdanceError
        If what comes from npm is missing, or the folder cannot be written.
    """
    folder = Path(folder)
    if folder.exists() and not _replaceable(folder):
        raise ParameterError(f"{folder}: is neither empty nor an earlier build; choose another folder")
    if not PAGE.is_dir():
        raise WhichdanceError(f"{PAGE}: missing; the page is built from a checkout of the repository")
    if missing_packages():
        raise WhichdanceError(
            f"{NODE_MODULES}: what the page needs from npm is missing; "
            f"run `npm ci --ignore-scripts --prefix {os.path.relpath(FOLDER)}`"
        )
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as temporary:
            new = Path(temporary) / "new"
            new.mkdir()
            built = _write(new, folder, model)
            new.chmod(0o755)
            if folder.exists():
                folder.rename(Path(temporary) / "old")
            new.rename(folder)
    except OSError as error:
        raise WhichdanceError(f"{error.filename or folder}: cannot be written ({error.strerror})") from error
    return built


def missing_packages() -> list[str]:
    """Files of npm packages that the page needs and that are not there."""
    return [file for file in (*COPIED, *PACKED, *COMMONJS) if not (NODE_MODULES / file).is_file()]


def chosen() -> Path:
    """The model that pages listen with: the default shipped one, in int8 where its answers agree.

    They agree if, by what was measured when the model was exported (`NAME.json` beside it), int8 gives the
    float model's answer in every recording of which that is sure.
    """
    models = shipped()
    name = next(iter(models))
    small = f"{name}{INT8}"
    if small in models and _agrees(models[small]["file"], FACTS / f"{name}.json"):
        return resolve(small)
    return resolve(name)


def _agrees(file: str, facts: Path) -> bool:
    try:
        measured = json.loads(facts.read_text("utf-8"))["files"]
        compared = [
            one["confident"] for entry in measured if entry["file"] == file for one in entry["comparisons"]
        ]
        return bool(compared) and all(0 < one["total"] == one["right"] for one in compared)
    except (OSError, KeyError, TypeError, ValueError):
        return False  # not measured


def policy() -> str:
    """The Content-Security-Policy that the page states of itself."""
    found = POLICY.search((PAGE / "index.html").read_text("utf-8"))
    assert found, "index.html states a policy"
    return found[1]


def _replaceable(folder: Path) -> bool:
    if not folder.is_dir():
        return False
    worker = folder / WORKER
    return worker.read_bytes().startswith(LISTED) if worker.is_file() else not any(folder.iterdir())


def _write(new: Path, folder: Path, model: str | os.PathLike[str] | None) -> Build:
    for path in sorted(PAGE.rglob("*")):
        if path.is_file() and not path.name.endswith(tuple(NOT_SERVED)):
            _put(new, path.relative_to(PAGE).as_posix(), path.read_bytes())
    for source, target in COPIED.items():
        _put(new, target, (NODE_MODULES / source).read_bytes())
    for source, target in PACKED.items():
        _put(new, target, _packed((NODE_MODULES / source).read_bytes(), CODE))
    for source, target in COMMONJS.items():
        _put(new, target, _as_module((NODE_MODULES / source).read_text("utf-8")).encode())
    path = chosen() if model is None else resolve(model)
    wanted = _write_model(new, path)
    (new / NOJEKYLL).touch()

    files = {path.relative_to(new).as_posix(): path for path in sorted(new.rglob("*")) if path.is_file()}
    del files[NOJEKYLL]
    del files[WORKER]  # browsers keep and compare it by themselves
    packed = _pack_text(new, files)
    files |= {name: new / one["from"] for name, one in packed.items()}
    hashes = {name: _sha256(path.read_bytes()) for name, path in files.items()}
    worker = (new / WORKER).read_bytes() + _in_a_worker(new / UNLZMA)
    version = hashlib.sha256(json.dumps(hashes).encode() + worker).hexdigest()[:16]
    sizes = {name: path.stat().st_size for name, path in files.items()}
    built = Build(folder, version, sizes, tuple(name for name in LATER if name in sizes), wanted, path)
    listed = {
        "version": version,
        "policy": policy(),
        "bytes": built.download,
        "later": built.later,
        "wanted": wanted,
        "hashes": hashes,
        "packed": packed,
        "unpacked": {
            name: _sha256(_unpacked(path.read_bytes()))
            for name, path in files.items()
            if path.name.endswith(LZMA)
        },
        "sizes": dict(sizes),
    }
    # In the worker itself: a list beside it could lie in a cache on the way while its version changes.
    _put(new, WORKER, LISTED + json.dumps(listed, indent=1).encode() + b";\n" + worker)
    sizes[WORKER] = (new / WORKER).stat().st_size
    return built


def _write_model(new: Path, path: Path) -> tuple[str, ...]:
    """Write the model and all that is said of it; returns the files that only some users ask for."""
    loaded = Model.load(path, threads=1)  # checks it
    models = shipped()
    precision = next((e["precision"] for e in models.values() if e["file"] == path.name), "")
    model_file = f"model/{path.name}.gzip"
    _put(new, model_file, _gzipped(path.read_bytes()))
    exact = next((name for name, e in models.items() if e["file"] == path.name and name.endswith(INT8)), None)
    for rate in RATES:
        lengths, numbers = rate_definition(rate)
        _put(new, lengths["file"], _packed(numbers, NUMBERS))
    facts = definition(loaded, model_file=model_file, precision=precision, version=runtime.__version__)
    facts["model"]["bytes"] = (new / model_file).stat().st_size
    facts["exact"] = None
    wanted: tuple[str, ...] = ()
    if exact is not None:
        float_path = resolve(exact.removesuffix(INT8))
        float_file = f"model/{float_path.name}.gzip"
        _put(new, float_file, _gzipped(float_path.read_bytes()))
        facts["exact"] = {"file": float_file, "bytes": (new / float_file).stat().st_size}
        wanted = (float_file,)
    facts["teachable"] = _write_teachable(new, loaded if exact is None else Model.load(float_path, threads=1))
    if facts["teachable"] is not None:
        facts["teachable"]["exact"] = exact is not None
        wanted += (facts["teachable"]["rehearsal"],)
    facts["beats"]["file"] = BEATS
    _put(new, BEATS, _gzipped(shipped_beats().read_bytes()))
    facts["onnxruntime"] = {"mjs": ORT_MJS, "wasm": ORT_WASM, "bytes": (new / ORT_WASM).stat().st_size}
    _put(new, "definition.json", json.dumps(facts).encode())
    for language in LANGUAGES:
        texts = json.dumps(words(language, loaded.info.labels), ensure_ascii=False)
        _put(new, f"words/{language}.json", texts.encode())
    return wanted


def _write_teachable(new: Path, model: Model) -> dict[str, Any] | None:
    """Write what teaching needs of a model; returns what the page has to know, None if it can't be taught."""
    metadata, path = getattr(model.engine, "metadata", {}), getattr(model.engine, "path", None)
    if path is None or not metadata.get(FIELD) or not metadata.get(FEATURES_FIELD):
        return None
    file = f"model/{path.name}.rehearsal.json.gzip"
    _put(new, file, _gzipped(metadata[FIELD].encode()))
    features = json.loads(metadata[FEATURES_FIELD])
    return {
        "model": model.info.name,
        "version": model.info.version,
        "sha256": sha256_of(path),
        "features": features["output"],
        "size": features["size"],
        "rehearsal": file,
    }


def _pack_text(new: Path, files: Mapping[str, Path]) -> dict[str, dict[str, str]]:
    """Write scripts packed beside themselves, but for those that come before there is a service worker.

    Returns for each where it is packed, and what it is.
    """
    result = {}
    for name in sorted(files.keys() - _imported(new, FIRST)):
        suffix = Path(name).suffix
        if suffix in TYPES and not name.startswith("words/"):  # the page asks for one of these at once
            result[name] = {"from": name + LZMA, "type": TYPES[suffix]}
            _put(new, name + LZMA, _packed(files[name].read_bytes(), CODE, keep=name.startswith("vendor/")))
    return result


def _imported(new: Path, script: str) -> set[str]:
    """A script, and what it imports, and so on."""
    result, found = set(), [script]
    while found:
        name = found.pop()
        if name not in result:
            result.add(name)
            folder = (new / name).parent
            for one in IMPORTED.findall((new / name).read_text("utf-8")):
                found.append((folder / one).resolve().relative_to(new.resolve()).as_posix())
    return result


def _put(new: Path, name: str, content: bytes) -> None:
    path = new / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _gzipped(content: bytes) -> bytes:
    return gzip.compress(content, 9, mtime=0)


def _packed(content: bytes, contexts: Contexts, *, keep: bool = True) -> bytes:
    """As a .lzma file that says its size.

    The best of it takes seconds: what was packed once lies beside what comes from npm.
    """
    kept = NODE_MODULES / ".cache" / "whichdance" / f"{hashlib.sha256(content).hexdigest()}-{contexts}{LZMA}"
    with suppress(OSError, lzma.LZMAError):
        packed = kept.read_bytes() if keep else b""
        if _unpacked(packed) == content:
            return packed
    lc, lp, pb = contexts
    filters = [
        {"id": lzma.FILTER_LZMA1, "preset": 6, "dict_size": DICTIONARY, "lc": lc, "lp": lp, "pb": pb},
    ]
    packed = lzma.compress(content, lzma.FORMAT_ALONE, filters=filters)
    packed = packed[:5] + len(content).to_bytes(8, "little") + packed[13:]  # Python leaves the size open
    if not keep:
        return packed
    with suppress(OSError):  # of others, who may not write there
        kept.parent.mkdir(parents=True, exist_ok=True)
        with replacing(kept) as temporary:
            temporary.write_bytes(packed)
    return packed


def _unpacked(packed: bytes) -> bytes:
    return lzma.decompress(packed, lzma.FORMAT_ALONE)


def _in_a_worker(module: Path) -> bytes:
    """The functions of a module without imports, for a script that is none."""
    return b"\n" + re.sub(rb"^export ", b"", module.read_bytes(), flags=re.MULTILINE)


def _as_module(commonjs: str) -> str:
    """A CommonJS module without dependencies, as an ES module."""
    return f"const module = {{}};\n{commonjs}\nexport default module.exports;\n"


def _sha256(content: bytes) -> str:
    """As the `integrity` option of fetch takes it."""
    return "sha256-" + base64.b64encode(hashlib.sha256(content).digest()).decode()
