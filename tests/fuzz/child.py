"""One input after the other, in a process that may crash, hang or eat memory: the parent looks on.

Standard input: a line of JSON per input, {"kind": ..., "path": ...}. Standard output: a line of JSON each,
{"result": "answered" | "refused" | "wrong", "why": ..., "memory": KiB}. Whatever else a library prints there
breaks the protocol, and counts.
"""

import json
import math
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np

from runtime import Classifier, WhichdanceError
from runtime.model import Model

ADDRESS_SPACE = 6 << 30  # bytes; more than this for a file of kilobytes is a blow-up
MODEL = Path(sys.argv[1])


class Wrong(Exception):
    """Not an error that names the file: something that must not happen."""


def peak_memory() -> int:
    """KiB of this program at most; getrusage would count what the process that started it held before."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))


def recording(path: Path, classifier: Classifier) -> str:
    prediction = classifier.classify(path)
    numbers = [prediction.confidence, prediction.duration, *prediction.scores.values()]
    if not all(math.isfinite(number) for number in numbers):
        raise Wrong(f"numbers that are not finite: {numbers}")
    if abs(sum(prediction.scores.values()) - 1) > 1e-3:
        raise Wrong(f"probabilities that sum to {sum(prediction.scores.values())}")
    json.dumps(prediction.to_dict(), allow_nan=False)
    return f"{prediction.best}, {prediction.duration:.2f} s"


def streams(path: Path) -> bytes:
    """ffmpeg's hash of what is in a file but its tags, undecoded; nothing where it finds nothing."""
    if shutil.which("ffmpeg") is None:
        return b""
    command = ["ffmpeg", "-nostdin", "-v", "quiet", "-i", path, "-map", "0", "-c", "copy"]
    return subprocess.run([*command, "-f", "streamhash", "-"], capture_output=True, timeout=60).stdout


def tags(path: Path, _: Classifier) -> None:
    from runtime.command.tags import write_tags

    before, sound = path.read_bytes(), streams(path)
    values = {"DANCE": "Tango", "BPM": "128"}
    try:
        write_tags(path, values)
        if streams(path) != sound:
            raise Wrong("its sound or its pictures are others than before, by ffmpeg")
    except WhichdanceError:
        if path.read_bytes() != before:
            raise Wrong("refused, and yet changed") from None
        raise
    finally:
        if others := [other.name for other in path.parent.iterdir() if other != path]:
            raise Wrong(f"left behind: {others}")
    if any(change.written for change in write_tags(path, values)):
        raise Wrong("what was written is not there")


def model(path: Path, _: Classifier) -> None:
    scores = Model.load(path, threads=1).run(np.ones((2, 1, 224, 224), np.float32))
    if not np.isfinite(scores).all():
        raise Wrong("scores that are not finite")


def history(path: Path, _: Classifier) -> None:
    from mobile_app.core.history import History
    from mobile_app.core.problems import StorageError

    folder = path.parent / "app"
    folder.mkdir()
    shutil.copy(path, folder / "history.sqlite")
    try:
        kept = History(folder)
        try:
            for entry in kept.entries():
                kept.timeline(entry.id)
        finally:
            kept.close()
    except StorageError as error:
        raise WhichdanceError(f"{path}: {error}") from error
    finally:
        shutil.rmtree(folder)


def store(path: Path, _: Classifier) -> None:
    from training.data.manifest import Recording
    from training.data.store import Store

    folder = path.parent / "store"
    folder.mkdir()
    shutil.copy(path, folder / "hashes.sqlite")
    try:
        collection = Store(folder).collect([Recording(path, "tango")])  # itself no recording: fails by name
        if collection.stored or str(path) not in collection.failed[0][1]:
            raise Wrong(str(collection))
    finally:
        shutil.rmtree(folder)


KINDS: dict[str, Callable[[Path, Classifier], str | None]] = {
    "recording": recording,
    "tags": tags,
    "model": model,
    "history": history,
    "store": store,
}


def judged(kind: str, path: Path, classifier: Classifier) -> tuple[str, str]:
    """What became of an input."""
    try:
        answer = KINDS[kind](path, classifier)
    except WhichdanceError as error:
        text = str(error)
        if str(path) not in text or "\n" in text:
            return "wrong", f"an error that does not name the file in one line: {text!r}"
        return "refused", text
    except Exception as error:
        return "wrong", f"{type(error).__name__}: {error}"
    return "answered", answer or ""


def main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    tempfile.tempdir = str(Path(sys.argv[2]))
    classifier = Classifier(MODEL, threads=1)
    print(json.dumps({"result": "ready"}), flush=True)
    for line in sys.stdin:
        task = json.loads(line)
        result, why = judged(task["kind"], Path(task["path"]), classifier)
        memory = peak_memory()
        print(json.dumps({"result": result, "why": why, "memory": memory}), flush=True)


if __name__ == "__main__":
    main()
