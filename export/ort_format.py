"""onnxruntime's own format: loads without an optimiser, also in a build that has only these operators."""

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path

import onnxruntime
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


def write_required_operators(models: Sequence[Path], target: Path) -> None:
    """The list of operators that .ort files need, for `build.py --include_ops_by_config`."""
    logging.getLogger("ort_format_model.utils").setLevel(logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # it leaves the closing of files to chance
        create_config_from_models(models, target, enable_type_reduction=True)
    lines = [line for line in target.read_text("utf-8").splitlines() if not line.startswith("#")]
    names = ", ".join(path.name for path in models)
    target.write_text("\n".join([f"# Operators and types of {names}", *lines, ""]), "utf-8")
