"""Run as a script: mel power and scores of samples, by whatever processor and onnxruntime this is.

`probe.py SAMPLES.npz MODEL RESULT.npz`; imports the runtime and nothing else of the project.
"""

import platform
import sys
from typing import Any

import numpy as np

from runtime import mel
from runtime.model import Model
from runtime.segments import windows


def main(samples: str, model: str, result: str) -> None:
    """Read one array of samples per recording, write features and scores of each."""
    import onnxruntime

    loaded = Model.load(model, threads=1)
    found: dict[str, Any] = {}
    with np.load(samples) as recordings:
        for name in recordings.files:
            frames = mel.melspectrogram(recordings[name], sample_rate=mel.SAMPLE_RATE)
            found[f"mel {name}"] = frames
            found[f"scores {name}"] = loaded.run(windows(frames, loaded.info.segment_frames))
    system = f"{platform.machine()}, onnxruntime {onnxruntime.__version__}, numpy {np.__version__}"
    found["system"] = system
    np.savez(result, **found)


if __name__ == "__main__":
    main(*sys.argv[1:4])
