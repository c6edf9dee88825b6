"""From mel power to activations: how much each frame is like a beat, and like the first beat of a bar."""

import numpy as np

from runtime.mel import N_MELS, Float32

FEATURE_BANDS = 56  # neighbouring mel bands are pooled by four
DYNAMIC_RANGE = 1e-6  # what is 60 dB below the loudest so far is silence
LOOK_AHEAD = 4  # frames of future, 93 ms, that an activation needs


class BeatFeatures:
    """Log power of pooled bands below the loudest so far, frame by frame."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget how loud it was."""
        self._loudest = np.float32(1e-30)

    def push(self, frames: Float32) -> Float32:
        """Take the next frames.

        Parameters
        ----------
        frames : ndarray, shape (n_frames, 224)
            Mel power.

        Returns
        -------
        ndarray, shape (n_frames, 56), float32
            Natural logarithm of power relative to the loudest band so far, -13.8 to 0.
        """
        pooled = frames[:, ::4].copy()
        for i in range(1, N_MELS // FEATURE_BANDS):
            pooled += frames[:, i::4]
        loudest = np.maximum.accumulate(np.maximum(pooled.max(axis=1), self._loudest))
        if len(loudest):
            self._loudest = loudest[-1]
        relative = pooled / loudest[:, None]
        return np.log(np.maximum(relative, np.float32(DYNAMIC_RANGE)))
