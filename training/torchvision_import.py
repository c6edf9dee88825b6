"""The one place where torchvision is imported.

torchvision's compiled operators must match torch's build. A torchvision wheel built for CUDA beside a
torch for the CPU (what an index offers where it carries only one of the two) cannot load them, and its
import dies at `operator torchvision::nms does not exist`: it registers shape rules for operators that
nobody defined. We use torchvision's networks, none of its operators, so declaring them is enough.
"""

import importlib
import sys
from types import ModuleType

import torch

_DECLARATIONS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_library: torch.library.Library | None = None  # torch forgets the declarations with this object


def _import_models() -> ModuleType:
    global _library
    try:
        return importlib.import_module("torchvision.models")
    except RuntimeError as error:
        if "operator torchvision::nms does not exist" not in str(error):
            raise
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[name]  # the half-imported package
    _library = torch.library.Library("torchvision", "DEF")
    for declaration in _DECLARATIONS:
        _library.define(declaration)
    return importlib.import_module("torchvision.models")


models = _import_models()
