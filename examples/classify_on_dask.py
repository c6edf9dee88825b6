"""The dances of very many recordings, on any number of machines that see the same files.

    pip install 'whichdance[cluster,parquet]'
    python examples/classify_on_dask.py music/ --out answers/
    python examples/classify_on_dask.py s3://archive/list.txt --out s3://archive/answers --scheduler tcp://host:8786

Give a folder, or a text file (.txt) with one path per line. Paths are those of fsspec (s3://, gs://, hdfs://,
or files that all workers see): any store can be read that has a package for it. Without --scheduler, workers
are started on this computer (--workers).

Answers are Parquet files in --out, one per batch of recordings, with a row for each: the path, the answer,
and the error of one that could not be heard. A file is there when it is whole, and its batch is not
heard again: a run that was broken off goes on when it is started anew with the same list.
"""

import argparse
import hashlib
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

import fsspec
from fsspec.core import url_to_fs

from runtime import Classifier, WhichdanceError
from runtime.formats import SUFFIXES

BATCH = 64  # recordings: some minutes of work, what a dead worker costs at most
COLUMNS = (
    "dance",
    "verdict",
    "confidence",
    "certainty",
    "best",
    "also",
    "duration",
    "tempo_bpm",
    "tempo_mpm",
)

_classifiers: dict[str | None, Classifier] = {}  # of this worker: the model is loaded once


def recordings(where: str) -> list[str]:
    """Paths below a folder, or in a list."""
    if where.endswith(".txt"):
        with fsspec.open(where, "rt", encoding="utf-8") as lines:
            return [line.rstrip("\n") for line in lines if line.strip()]
    files, root = url_to_fs(where)
    found = sorted(path for path in files.find(root) if path[path.rfind(".") :].lower() in SUFFIXES)
    return [files.unstrip_protocol(path) for path in found]


def batches(paths: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Batches of a list, each with a name that is the same in every run of the same list and model."""
    for start in range(0, len(paths), BATCH):
        batch = list(paths[start : start + BATCH])
        digest = hashlib.sha256("\n".join(batch).encode("utf-8", "surrogateescape")).hexdigest()[:16]
        yield f"{start:010d}-{digest}.parquet", batch


def heard(path: str, model: str | None) -> dict[str, Any]:
    """A row: the answer, or the error."""
    if model not in _classifiers:
        _classifiers[model] = Classifier(model, threads=1)
    try:
        with fsspec.open(path, "rb") as file:
            prediction = _classifiers[model].classify(file)
    except (WhichdanceError, OSError) as error:
        return {"path": path, "error": str(error)}
    except (
        Exception
    ) as error:  # whatever a store or a decoder throws for this file is no other file's business
        return {"path": path, "error": f"{type(error).__name__}: {error}"}
    answer = prediction.to_dict()
    scores = {f"score_{key}": score for key, score in prediction.scores.items()}
    return {"path": path, **{name: answer[name] for name in COLUMNS}, **scores, "error": None}


def answered(name: str, batch: Sequence[str], out: str, model: str | None) -> tuple[int, int]:
    """Hear a batch and write its file in one step; how many recordings, and how many failed."""
    import pyarrow
    from pyarrow import parquet

    rows = [heard(path, model) for path in batch]
    labels = [f"score_{label}" for label in (*_classifiers[model].labels, "other")]
    kinds = {
        "confidence": pyarrow.float64(),
        "duration": pyarrow.float64(),
        "also": pyarrow.list_(pyarrow.string()),
    }
    kinds |= {"tempo_bpm": pyarrow.float64(), "tempo_mpm": pyarrow.float64()}
    kinds |= dict.fromkeys(labels, pyarrow.float64())
    names = ("path", *COLUMNS, *labels, "error")
    schema = pyarrow.schema([(column, kinds.get(column, pyarrow.string())) for column in names])
    files, folder = url_to_fs(out)
    with files.open(f"{folder}/.{name}", "wb") as file:
        parquet.write_table(pyarrow.Table.from_pylist(rows, schema), file)
    files.mv(f"{folder}/.{name}", f"{folder}/{name}")
    return len(rows), sum(row["error"] is not None for row in rows)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("where", metavar="FOLDER|LIST.txt")
    parser.add_argument("--out", required=True, metavar="FOLDER")
    parser.add_argument("--scheduler", metavar="ADDRESS", help="of a Dask cluster (default: one of its own)")
    parser.add_argument(
        "--workers", type=int, metavar="N", help="of a cluster of its own (default: one per core)"
    )
    parser.add_argument(
        "--model", metavar="NAME|FILE", help="as of `whichdance`; a file that all workers see"
    )
    args = parser.parse_args()

    from distributed import Client, LocalCluster, as_completed

    files, folder = url_to_fs(args.out)
    files.makedirs(folder, exist_ok=True)
    done = {path.rsplit("/", 1)[-1] for path in files.ls(folder, detail=False)}
    left = [(name, batch) for name, batch in batches(recordings(args.where)) if name not in done]
    cluster = args.scheduler or LocalCluster(
        n_workers=args.workers, threads_per_worker=1, dashboard_address=None
    )
    with Client(cluster) as client:
        client.wait_for_workers(1)
        start, n_heard, n_failed = time.monotonic(), 0, 0
        tasks = [client.submit(answered, *task, args.out, args.model, pure=False, retries=2) for task in left]
        for task in as_completed(tasks):
            heard_now, failed_now = task.result()
            n_heard, n_failed = n_heard + heard_now, n_failed + failed_now
            rate = n_heard / (time.monotonic() - start)
            print(
                f"{n_heard} heard, {n_failed} of them failed, {rate:.2f} a second",
                file=sys.stderr,
                flush=True,
            )
    if not args.scheduler:
        cluster.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
