"""What the figures were measured on."""

import os
import platform
import re
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = ("numpy", "onnxruntime", "soundfile", "librosa", "torch", "torchvision")
INT8_DOT_PRODUCTS = ("avx512_vnni", "avx_vnni", "asimddp")  # instructions, as the kernel names them


def describe() -> dict[str, Any]:
    """CPU, cores, load, memory, system, versions and commit; nothing that tells whose machine it is."""
    import soundfile
    from threadpoolctl import threadpool_info

    from training.data.provenance import commit

    return {
        "cpu": cpu_name(),
        "cores": cores(),
        "load_average": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "int8_dot_products": any(flag in cpu_flags() for flag in INT8_DOT_PRODUCTS),
        "gpu": gpu_name(),
        "commit": commit(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": {name: metadata.version(name) for name in PACKAGES}
        | {"libsndfile": soundfile.__libsndfile_version__},
        "blas": sorted(
            {f"{lib['internal_api']} {lib['version'] or ''}".strip() for lib in threadpool_info()}
        ),
    }


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def gpu_name() -> str | None:
    """The GPU that torch would use."""
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else None


def cpu_name() -> str:
    """The CPU's model name."""
    return _cpuinfo("model name") or platform.processor() or platform.machine()


def cpu_flags() -> set[str]:
    """Instruction sets, as Linux lists them; empty elsewhere."""
    return set((_cpuinfo("flags") or _cpuinfo("Features") or "").split())


def _cpuinfo(field: str) -> str | None:
    path = Path("/proc/cpuinfo")
    if not path.exists():
        return None
    found = re.search(rf"^{field}\s*: (.*)$", path.read_text(), re.MULTILINE)
    return found[1].strip() if found else None


def slug() -> str:
    """The machine's part of a file name, as 'amd-epyc-2-cores'."""
    return re.sub(r"[^a-z0-9]+", "-", f"{cpu_name()} {cores()} cores".lower()).strip("-")
