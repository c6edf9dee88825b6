"""The same pipeline as it is usually written: librosa and torch, everything in memory.

This is the peer of the end-to-end benchmark, and a script, so that it can be measured from a fresh process:
`python -m benchmarks.usual CHECKPOINT RECORDING`.
"""

import sys
from collections.abc import Callable, Sequence

from runtime.dances import DANCE_KEYS
from runtime.mel import HOP_LENGTH, N_FFT, N_MELS, SAMPLE_RATE
from runtime.segments import DEFAULT_STRIDE, SEGMENT_FRAMES


def load(checkpoint: str) -> Callable[[str], str]:
    """What turns a recording's path into a dance, by the network of a checkpoint in torch."""
    import librosa
    import numpy as np
    import torch

    from training.networks.models import load_checkpoint

    network, _ = load_checkpoint(checkpoint)

    def classify(path: str) -> str:
        samples, _ = librosa.load(path, sr=SAMPLE_RATE)
        power = librosa.feature.melspectrogram(
            y=samples, sr=SAMPLE_RATE, n_fft=N_FFT, hop_length=HOP_LENGTH, n_mels=N_MELS
        )
        starts = range(0, power.shape[1] - SEGMENT_FRAMES + 1, DEFAULT_STRIDE)
        segments = np.stack([power[None, :, start : start + SEGMENT_FRAMES] for start in starts])
        with torch.inference_mode():
            scores = network(torch.from_numpy(segments)).softmax(dim=1).mean(dim=0)
        return DANCE_KEYS[int(scores[: len(DANCE_KEYS)].argmax())]

    return classify


def main(arguments: Sequence[str]) -> None:
    """Print the dance of a recording."""
    checkpoint, path = arguments
    print(load(checkpoint)(path))


if __name__ == "__main__":
    main(sys.argv[1:])
