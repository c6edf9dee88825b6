"""The network alone: onnxruntime, float and int8, against PyTorch."""

import functools
import json
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from threadpoolctl import threadpool_limits

from benchmarks import machine, networks
from benchmarks.networks import MOBILE, Subject
from benchmarks.report import Chart, Column, Figures, Row, Section, Target
from benchmarks.timing import Spread, in_turn, ratios
from export.segments import made_up
from export.verify import torch_scores
from runtime.model import INPUT, OnnxEngine, shipped
from runtime.segments import SEGMENT_FRAMES
from training.networks.models import ARCHITECTURES, RHYTHMOGRAM

BATCHES = (1, 16)
TORCH_TARGET = 3.0  # a mobile float model's speed over torch's at batch 1, one thread
MATRIX = 2048  # rows and columns of the product that measures the machine's peak
MAX_SECONDS = 12.0  # per network, thread count and batch size
PROFILED = 200  # runs of which onnxruntime notes the time of every operator

# Operators by what they are there for; all others compute what is neither a convolution nor a conversion.
CONVERSIONS = ("QuantizeLinear", "DequantizeLinear", "ReorderInput", "ReorderOutput", "Transpose")
KINDS = ("dense convolutions", "depthwise convolutions", "conversions", "others")


def run(
    *,
    architectures: Sequence[str] = (*ARCHITECTURES, RHYTHMOGRAM),
    batch_sizes: Sequence[int] = BATCHES,
    runs: int = 15,
) -> Section:
    """Measure shipped models, and architectures with random weights.

    Parameters
    ----------
    architectures : sequence of str
    batch_sizes : sequence of int
        Segments per run of the network.
    runs : int
        At most; slow networks get fewer, so that each case takes a dozen seconds.
    """
    threads = sorted({1, machine.cores()})
    segments = made_up(max(batch_sizes), segment_frames=SEGMENT_FRAMES).mel
    peaks = {n: peak_gflops(n) for n in threads}
    rows: list[Row] = []
    parts: list[Row] = []
    for subject in _subjects(architectures):
        if "int8" in subject.files and subject.name in _mobile():
            parts += _parts(subject, segments[:1])
        work = networks.gflop(subject.torch)
        for n in threads:
            for batch in batch_sizes:
                rows.append(_measured(subject, work, n, segments[:batch], runs, peaks[n]))
    columns = (
        Column("network", "network"),
        Column("threads", "threads"),
        Column("batch", "batch"),
        Column("torch", "torch eager", "ms"),
        Column("float", "onnxruntime", "ms"),
        Column("speed_up", "speed over torch", "×"),
        Column("int8", "int8", "ms"),
        Column("int8_speed_up", "int8 over float", "×"),
        Column("gflops", "GFLOP/s"),
        Column("of_peak", "of the peak", "%"),
    )
    peak_columns = (Column("threads", "threads"), Column("gflops", "GFLOP/s"))
    part_columns = (
        Column("network", "network"),
        Column("kind", "operators"),
        Column("number", "number, float"),
        Column("float", "float", "ms"),
        Column("number_int8", "number, int8"),
        Column("int8", "int8", "ms"),
    )
    peak_rows: list[Row] = [{"threads": n, "gflops": peak} for n, peak in peaks.items()]
    return Section(
        name="model",
        title="Network: scores of a 5.2 s segment",
        settings={"threads": threads, "batch_sizes": list(batch_sizes), "runs": f"up to {runs}"},
        tables=[
            Figures("time per segment", columns, rows, Chart("network", "speed_up", "batch")),
            Figures(
                f"the machine's peak: product of {MATRIX}×{MATRIX} float32 matrices", peak_columns, peak_rows
            ),
            Figures("where the time goes: one segment on one thread", part_columns, parts),
        ],
        targets=list(_targets(rows)),
        notes=[
            "Networks named by an architecture have random weights, which take the same time; the others "
            "are the shipped models.",
            "GFLOP/s are those of onnxruntime in float, with the operations of convolutions and matrix "
            "products, two per multiply-add.",
            f"Where the time goes: means of {PROFILED} runs by onnxruntime's profiler, which takes time "
            "itself. Conversions are between float and int8, and between the layouts of tensors.",
            *_reasons(parts),
            f"This CPU {'has' if has_int8() else 'lacks'} int8 dot products.",
        ],
    )


def _mobile() -> set[str]:
    """The networks for phones: what is shipped, and the thesis's."""
    return {*(shipped() if networks.any_shipped() else {}), MOBILE, f"{MOBILE} (defaults)"}


def has_int8() -> bool:
    """Whether this CPU multiplies and adds bytes in one instruction."""
    return bool(machine.cpu_flags().intersection(machine.INT8_DOT_PRODUCTS))


def _subjects(architectures: Sequence[str]) -> Iterator[Subject]:
    """One at a time: the largest network takes half a gigabyte."""
    with tempfile.TemporaryDirectory(prefix="whichdance-") as folder:
        if networks.any_shipped():
            yield from networks.shipped_subjects()
        for architecture in architectures:
            yield networks.untrained(architecture, Path(folder), int8=True)


def _measured(subject: Subject, work: float, threads: int, batch: np.ndarray, runs: int, peak: float) -> Row:
    """One row: a network at one number of threads and one batch size; times are per segment."""
    rivals: dict[str, Callable[[], object]] = {"torch": functools.partial(torch_scores, subject.torch, batch)}
    for precision, path in subject.files.items():
        rivals[precision] = functools.partial(OnnxEngine(path, threads=threads).run, batch)
    with torch_threads(threads):
        times = in_turn(rivals, runs=runs, max_seconds=MAX_SECONDS)
    per_segment = {name: Spread.of([s / len(batch) for s in seconds]) for name, seconds in times.items()}
    gflops = work / per_segment["float"].median
    return {
        "network": subject.name,
        "threads": threads,
        "batch": len(batch),
        **{name: per_segment.get(name) for name in ("torch", "float", "int8")},
        "speed_up": ratios(times["torch"], times["float"]),
        "int8_speed_up": ratios(times["float"], times["int8"]) if "int8" in times else None,
        "gflops": gflops,
        "of_peak": gflops / peak,
    }


def _parts(subject: Subject, segment: np.ndarray) -> Iterator[Row]:
    """Rows: the time of each kind of operator, in float and in int8."""
    found = {precision: _profiled(path, segment) for precision, path in subject.files.items()}
    for kind in KINDS:
        number, seconds = found["float"][kind]
        number_int8, seconds_int8 = found["int8"][kind]
        yield {
            "network": subject.name,
            "kind": kind,
            "number": number,
            "float": seconds,
            "number_int8": number_int8,
            "int8": seconds_int8,
        }


def _reasons(parts: Sequence[Row]) -> Iterator[str]:
    """In words, per network, what int8 gains and what it loses."""
    for name in dict.fromkeys(str(row["network"]) for row in parts):
        rows = {str(row["kind"]): row for row in parts if row["network"] == name}
        changes = {
            kind: 1e3 * (float(row["int8"]) - float(row["float"]))  # type: ignore[arg-type]
            for kind, row in rows.items()
        }
        told = ", ".join(f"{kind} {change:+.2f} ms" for kind, change in changes.items())
        yield f"{name}: what int8 changes, of one segment: {told}; together {sum(changes.values()):+.2f} ms."


def _profiled(path: Path, segment: np.ndarray) -> dict[str, tuple[int, float]]:
    """Number of operators of each kind and their seconds per run, after onnxruntime's optimisations."""
    with tempfile.TemporaryDirectory(prefix="whichdance-") as folder:
        options = onnxruntime.SessionOptions()
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(folder) / "profile")
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        for _ in range(PROFILED):
            session.run(None, {INPUT: segment})
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    depthwise = _depthwise(path)
    numbers: Counter[str] = Counter()
    microseconds: Counter[str] = Counter()
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            operator = event["args"]["op_name"]
            if "Conv" in operator:
                name = re.sub(r"(_token_\d+|_nchwc)?_kernel_time$", "", event["name"])
                kind = KINDS[1] if name in depthwise else KINDS[0]
            else:
                kind = KINDS[2] if operator in CONVERSIONS else KINDS[3]
            numbers[kind] += 1
            microseconds[kind] += event["dur"]
    return {kind: (round(numbers[kind] / PROFILED), microseconds[kind] / PROFILED / 1e6) for kind in KINDS}


def _depthwise(path: Path) -> set[str]:
    """By what onnxruntime names depthwise convolutions: their names or outputs, or those of a fused Relu."""
    nodes = onnx.load(path).graph.node
    grouped = [
        node
        for node in nodes
        if node.op_type == "Conv" and any(a.name == "group" and a.i > 1 for a in node.attribute)
    ]
    outputs = {name for node in grouped for name in node.output}
    fused = {name for node in nodes if outputs.intersection(node.input) for name in node.output}
    return {node.name for node in grouped} | outputs | fused


@contextmanager
def torch_threads(threads: int) -> Iterator[None]:
    """torch on so many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def peak_gflops(threads: int) -> float:
    """What the machine's fastest matrix product reaches, numpy's or torch's."""
    generator = np.random.default_rng(0)
    a, b = generator.standard_normal((2, MATRIX, MATRIX), dtype=np.float32)
    tensors = torch.from_numpy(a), torch.from_numpy(b)
    with threadpool_limits(threads), torch_threads(threads):
        times = in_turn({"numpy": lambda: a @ b, "torch": lambda: tensors[0] @ tensors[1]}, runs=5)
    return 2 * MATRIX**3 / min(min(seconds) for seconds in times.values()) / 1e9


def _targets(rows: Sequence[Row]) -> Iterator[Target]:
    entries = shipped() if networks.any_shipped() else {}
    for row in rows:
        if row["network"] not in _mobile() or row["threads"] != 1 or row["batch"] != 1:
            continue
        speed_up, int8 = row["speed_up"], row["int8_speed_up"]
        assert isinstance(speed_up, Spread)
        yield Target(f"{row['network']}: speed over torch eager", speed_up.median, TORCH_TARGET, True)
        if isinstance(int8, Spread) and has_int8():
            yield Target(f"{row['network']}: int8's speed over float's", int8.median, 1.0, True)
        if next(iter(entries), None) == f"{row['network']}-int8" and isinstance(int8, Spread):
            yield Target("int8 is shipped as the default: its speed over float's", int8.median, 1.0, True)
