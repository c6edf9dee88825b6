"""onnxruntime's own format: loads without an optimiser, also in a build that has only these operators."""

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path

import flatbuffers
import onnxruntime
from flatbuffers.number_types import Int8Flags, SOffsetTFlags, Uint32Flags, UOffsetTFlags
from flatbuffers.table import Table
from onnxruntime.tools.ort_format_model import create_config_from_models

# Convolutions in blocks of channels are for x86 alone, and a file with them runs nowhere else.
NOT_FOR_ARM = ["NchwcTransformer"]


def convert(source: Path, target: Path, *, keep_float16: bool = False) -> None:
    """Optimise an .onnx file for phones and write it as .ort.

    Parameters
    ----------
    source : Path
    target : Path
        With the suffix .ort.
    keep_float16 : bool
        Leave casting float16 weights to the phone: half the size, but cast at every run.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.optimized_model_filepath = str(target)
    options.add_session_config_entry("session.save_model_format", "ORT")
    disabled = list(NOT_FOR_ARM)
    if keep_float16:
        # Casting ahead of time would give back the space that was saved; without it onnxruntime 1.28's
        # layout optimisers abort on an assertion.
        disabled.append("ConstantFolding")
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    onnxruntime.InferenceSession(
        source.read_bytes(),
        options,
        providers=["CPUExecutionProvider"],
        disabled_optimizers=disabled,
    )
    target.write_bytes(in_fixed_order(target.read_bytes()))


def write_required_operators(models: Sequence[Path], target: Path) -> None:
    """The list of operators that .ort files need, for `build.py --include_ops_by_config`."""
    logging.getLogger("ort_format_model.utils").setLevel(logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # it leaves the closing of files to chance
        create_config_from_models(models, target, enable_type_reduction=True)
    lines = [line for line in target.read_text("utf-8").splitlines() if not line.startswith("#")]
    names = ", ".join(path.name for path in models)
    target.write_text("\n".join([f"# Operators and types of {names}", *lines, ""]), "utf-8")


# Fields used here of the tables in onnxruntime/core/flatbuffers/schema/ort.fbs; the n-th has number 4 + 2n.
# An InferenceSession has a Model and a KernelTypeStrResolver, which is a vector of entries (operator, vector
# of entries (type parameter, vector of arguments (input or output, index))).
FIRST, SECOND, RESOLVER = 4, 6, 10


def in_fixed_order(file: bytes) -> bytes:
    """The same .ort file, with the table by which operators find their kernels in alphabetical order.

    onnxruntime writes that table in the order of a hash map seeded by addresses in memory, so that no two
    files would be the same; all the rest is. The ordered table goes behind the end, and what was in the
    place of the old one is blanked.
    """
    data = bytearray(file)
    root = Table(data, Table(data, 0).Get(UOffsetTFlags, 0))
    field = root.Pos + root.Offset(RESOLVER)
    resolver = Table(data, root.Indirect(field))
    ordered = _encoded(_decoded(resolver))
    # flatbuffers are written from their end, and the resolver right after the model: they are neighbours.
    model = Table(data, root.Indirect(root.Pos + root.Offset(SECOND)))
    layout = model.Pos - model.Get(SOffsetTFlags, model.Pos)
    end = min(start for start in (model.Pos, layout) if start > resolver.Pos)
    data[resolver.Pos : end] = bytes(end - resolver.Pos)
    data += bytes(-len(data) % 8)
    position = len(data) + Table(ordered, 0).Get(UOffsetTFlags, 0)
    data[field : field + 4] = (position - field).to_bytes(4, "little")
    return bytes(data + ordered)


_Operators = list[tuple[bytes, list[tuple[bytes, list[tuple[int, int]]]]]]


def _decoded(resolver: Table) -> _Operators:
    """Operators, their type parameters, and which inputs and outputs these are the types of."""

    def tables(parent: Table, field: int) -> list[Table]:
        offset = parent.Offset(field)
        first = parent.Vector(offset)
        return [Table(parent.Bytes, parent.Indirect(first + 4 * i)) for i in range(parent.VectorLen(offset))]

    def name(entry: Table) -> bytes:
        return bytes(entry.String(entry.Pos + entry.Offset(FIRST)))

    def argument(entry: Table) -> tuple[int, int]:
        return entry.GetSlot(FIRST, 0, Int8Flags), entry.GetSlot(SECOND, 0, Uint32Flags)

    return [
        (
            name(operator),
            [(name(kind), [argument(a) for a in tables(kind, SECOND)]) for kind in tables(operator, SECOND)],
        )
        for operator in tables(resolver, FIRST)
    ]


def _encoded(operators: _Operators) -> bytes:
    """A buffer with a resolver as its root, everything in order."""
    builder = flatbuffers.Builder()

    def vector(offsets: list[int]) -> int:
        builder.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            builder.PrependUOffsetTRelative(offset)
        return int(builder.EndVector())

    def entry(name: bytes, content: int) -> int:
        text = builder.CreateString(name)
        builder.StartObject(2)
        builder.PrependUOffsetTRelativeSlot(0, text, 0)
        builder.PrependUOffsetTRelativeSlot(1, content, 0)
        return int(builder.EndObject())

    def argument(kind: int, index: int) -> int:
        builder.StartObject(2)
        builder.PrependInt8Slot(0, kind, 0)
        builder.PrependUint32Slot(1, index, 0)
        return int(builder.EndObject())

    entries = []
    for operator, kinds in sorted(operators):
        types = [entry(kind, vector([argument(*a) for a in arguments])) for kind, arguments in sorted(kinds)]
        entries.append(entry(operator, vector(types)))
    content = vector(entries)
    builder.StartObject(1)
    builder.PrependUOffsetTRelativeSlot(0, content, 0)
    builder.Finish(builder.EndObject())
    return bytes(builder.Output())
