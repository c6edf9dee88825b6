"""The dances of very many recordings, on any number of machines that see the same files.

    pip install 'whichdance[cluster,parquet]'
    python examples/classify_on_dask.py music/ --out answers/
    python examples/classify_on_dask.py s3://archive/list.txt --out s3://archive/answers --scheduler tcp://host:8786

Give a folder, or a text file (.txt) with one path per line. Paths are those of fsspec (s3://, gs://, hdfs://,
or files that all workers see): any store can be read that has a package for it. Without --scheduler, workers
are started on this computer (--workers).

Answers are Parquet files in --out, one per batch of recordings, with a row for each: the path, the answer,
and the error of one that could not be heard. A file is there when it is whole, and what has a row is not
heard again: a run that was broken off goes on when it is started anew, and later hears what is new.
"""

import argparse
import hashlib
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

import fsspec
from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from runtime import Classifier, WhichdanceError
from runtime.formats import SUFFIXES
from runtime.model import resolve

BATCH = 64  # recordings: some minutes of work, what a dead worker costs at most
SONG_SECONDS = 210.0  # of the songs whose cost is told at the end
NUMBERS = ("confidence", "duration", "tempo_bpm", "tempo_mpm")
COLUMNS = ("dance", "verdict", "certainty", "best", "also", *NUMBERS)
MODEL = b"whichdance model"  # in a file's metadata

_classifiers: dict[str | None, Classifier] = {}  # of this worker: the model is loaded once


def recordings(where: str) -> list[str]:
    """Paths below a folder, or in a list."""
    if where.endswith(".txt"):
        with fsspec.open(where, "rt", encoding="utf-8", errors="surrogateescape") as lines:
            return [line.rstrip("\n") for line in lines if line.strip()]
    files, root = url_to_fs(where)
    found = (path for path in files.find(root) if not path[path.rfind("/") + 1 :].startswith("."))
    return [files.unstrip_protocol(path) for path in sorted(found) if _suffix(path) in SUFFIXES]


def _suffix(path: str) -> str:
    return path[path.rfind(".") :].lower()


def batches(paths: Sequence[str], size: int) -> Iterator[tuple[str, list[str]]]:
    """Batches of a list, each with a name of its own for its file."""
    for start in range(0, len(paths), size):
        batch = list(paths[start : start + size])
        yield hashlib.sha256("\n".join(batch).encode("utf-8", "surrogateescape")).hexdigest()[:32], batch


def answered(out: str, model: str | None) -> set[str]:
    """Paths that have a row.

    Raises
    ------
    WhichdanceError
        If those rows are of another model.
    """
    from pyarrow import parquet

    files, folder = url_to_fs(out)
    files.makedirs(folder, exist_ok=True)
    found: set[str] = set()
    for path in files.glob(f"{folder}/[!.]*.parquet"):
        with files.open(path, "rb") as file:
            table = parquet.read_table(file, columns=["path"])
        if table.schema.metadata.get(MODEL) != _identity(model):
            raise WhichdanceError(f"{path}: its answers are of another model; name another --out")
        found.update(table["path"].to_pylist())
    return found


def _identity(model: str | None) -> bytes:
    return hashlib.sha256(resolve(model).read_bytes()).hexdigest().encode()


def heard(path: str, model: str | None) -> dict[str, Any]:
    """A row: the answer, or the error."""
    if model not in _classifiers:
        _classifiers[model] = Classifier(model, threads=1)
    classifier = _classifiers[model]
    try:
        files, where = url_to_fs(path)
        if isinstance(files, LocalFileSystem):
            prediction = classifier.classify(where)
        else:
            with files.open(where, "rb") as file:
                prediction = classifier.classify(file)
    except (WhichdanceError, OSError) as error:
        return {"path": path, "error": str(error)}
    except Exception as error:  # what a store or a decoder throws is no other file's business
        return {"path": path, "error": f"{type(error).__name__}: {error}"}
    answer = prediction.to_dict()
    scores = {f"score_{key}": score for key, score in prediction.scores.items()}
    return {"path": path, **{name: answer[name] for name in COLUMNS}, **scores, "error": None}


def written(rows: Sequence[dict[str, Any]], name: str, out: str, model: str | None) -> tuple[int, int, float]:
    """Write a batch's file in one step: how many recordings, how many failed, seconds of the others."""
    import pyarrow
    from pyarrow import parquet

    if model not in _classifiers:
        _classifiers[model] = Classifier(model, threads=1)
    scores = [f"score_{label}" for label in (*_classifiers[model].labels, "other")]
    kinds = dict.fromkeys((*NUMBERS, *scores), pyarrow.float64())
    kinds["also"] = pyarrow.list_(pyarrow.string())
    names = ("path", *COLUMNS, *scores, "error")
    columns = [(column, kinds.get(column, pyarrow.string())) for column in names]
    schema = pyarrow.schema(columns, metadata={MODEL: _identity(model)})
    files, folder = url_to_fs(out)
    with files.open(f"{folder}/.{name}.parquet", "wb") as file:
        parquet.write_table(pyarrow.Table.from_pylist(list(rows), schema), file)
    files.mv(f"{folder}/.{name}.parquet", f"{folder}/{name}.parquet")
    seconds = sum(row["duration"] for row in rows if row["error"] is None)
    return len(rows), sum(row["error"] is not None for row in rows), seconds


def hear_and_write(batch: Sequence[str], name: str, out: str, model: str | None) -> tuple[int, int, float]:
    """A batch on a worker."""
    return written([heard(path, model) for path in batch], name, out, model)


def one_by_one(client: Any, batch: Sequence[str], model: str | None) -> list[dict[str, Any]]:
    """The rows of a batch in which a file brought down the workers that heard it: this one gets an error."""
    rows = []
    for path in batch:
        try:
            rows.append(client.submit(heard, path, model, pure=False).result())
        except Exception as error:
            rows.append({"path": path, "error": f"brought down its worker ({type(error).__name__})"})
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("where", metavar="FOLDER|LIST.txt")
    parser.add_argument("--out", required=True, metavar="FOLDER")
    parser.add_argument("--scheduler", metavar="ADDRESS", help="of a Dask cluster (default: one of its own)")
    parser.add_argument("--workers", type=int, metavar="N", help="of its own (default: one per core)")
    parser.add_argument(
        "--batch", type=int, default=BATCH, metavar="N", help="recordings (default: %(default)s)"
    )
    parser.add_argument(
        "--model", metavar="NAME|FILE", help="as of `whichdance`; a file that all workers see"
    )
    args = parser.parse_args()

    import dask
    from distributed import Client, LocalCluster, as_completed

    try:
        known = answered(args.out, args.model)
        left = [path for path in recordings(args.where) if path not in known]
    except (WhichdanceError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{len(left)} recordings to hear, {len(known)} are answered", file=sys.stderr)
    dask.config.set({"distributed.scheduler.allowed-failures": 1})
    cluster = args.scheduler or LocalCluster(
        n_workers=args.workers, threads_per_worker=1, dashboard_address=None
    )
    with Client(cluster) as client:
        client.wait_for_workers(args.workers or 1)
        n_workers = len(client.scheduler_info(n_workers=-1)["workers"])
        start, total = time.monotonic(), (0, 0, 0.0)
        tasks = {
            client.submit(hear_and_write, batch, name, args.out, args.model, pure=False): (name, batch)
            for name, batch in batches(left, args.batch)
        }
        for task in as_completed(list(tasks)):
            name, batch = tasks.pop(task)
            try:
                done = task.result()
            except Exception:  # a decoder written in C may take its process with it, and Dask gives up
                done = written(one_by_one(client, batch, args.model), name, args.out, args.model)
            total = (total[0] + done[0], total[1] + done[1], total[2] + done[2])
            print(f"{total[0]} heard, {total[1]} of them failed", file=sys.stderr, flush=True)
        if total[2]:
            told(*total, time.monotonic() - start, n_workers)
    if not args.scheduler:
        cluster.close()
    return 0


def told(n_heard: int, n_failed: int, seconds: float, wall: float, workers: int) -> None:
    """Say how fast it was, and what a million songs cost at that rate."""
    rate = seconds / wall / workers
    hours = 1e6 * SONG_SECONDS / rate / 3600
    print(
        f"{n_heard} recordings ({n_failed} failed), {seconds:.0f} s of music, in {wall:.1f} s on {workers} "
        f"worker(s): {seconds / wall:.1f} times real time, {rate:.1f} a worker. A million songs of "
        f"{SONG_SECONDS:.0f} s at this rate: {hours:.0f} hours of a worker."
    )


if __name__ == "__main__":
    sys.exit(main())
