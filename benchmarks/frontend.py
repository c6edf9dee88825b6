"""The front end against librosa, and against the FFT alone: what nobody can do without."""

from collections.abc import Callable, Sequence

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.report import Chart, Column, Figures, Row, Section, Target
from benchmarks.sounds import music
from benchmarks.timing import Spread, in_turn, ratios
from runtime import mel
from runtime.mel import Float32, MelStream

SAMPLE_RATES = (22_050, 44_100, 48_000)
LIBROSA_TARGETS = {22_050: 2.0, 44_100: 2.0, 48_000: 8.0}  # times as fast as librosa, at least
FFT_TARGETS = {22_050: 1.6}  # times the FFT's time, at most

STEP_RUNS = 20  # a step takes so little time that it is measured so many times as often

OURS, LIBROSA = "runtime.mel", "librosa"
FFT, FLOAT32_FFT = "bare rfft", "rfft kept in float32"


def run(*, seconds: float = 240, sample_rates: Sequence[int] = SAMPLE_RATES, runs: int = 9) -> Section:
    """Measure the front end on one thread.

    Parameters
    ----------
    seconds : float
        Length of the recording.
    sample_rates : sequence of int
    runs : int
    """
    rows: list[Row] = []
    targets: list[Target] = []
    with threadpool_limits(1):
        for sample_rate in sample_rates:
            samples = music(seconds, sample_rate)[:, 0].copy()
            literal = literal_lengths(sample_rate)
            rivals: dict[str, Callable[[], object]] = {
                OURS: lambda x=samples, sr=sample_rate: mel.melspectrogram(x, sample_rate=sr),  # type: ignore[misc]
                LIBROSA: lambda x=samples, sr=sample_rate: librosa_mel(x, sr),  # type: ignore[misc]
                FFT: lambda x=samples, ls=literal: bare_rfft(x, *ls),  # type: ignore[misc]
                FLOAT32_FFT: lambda x=samples, sr=sample_rate: float32_rfft(x, sr),  # type: ignore[misc]
            }
            times = in_turn(rivals, runs=runs)
            n_fft = dict.fromkeys(rivals, literal[0]) | {
                name: mel.front_end(sample_rate).n_fft for name in (OURS, FLOAT32_FFT)
            }
            kilohertz = f"{sample_rate / 1000:g} kHz"
            for name in rivals:
                rows.append(
                    {
                        "rate": kilohertz,
                        "what": name,
                        "n_fft": n_fft[name],
                        "time": Spread.of(times[name]),
                        "relative": ratios(times[name], times[OURS]),
                        "real_time": seconds / Spread.of(times[name]).median,
                    }
                )
            if sample_rate in LIBROSA_TARGETS:
                speed_up = ratios(times[LIBROSA], times[OURS]).median
                what = f"speed over librosa's at {kilohertz}"
                targets.append(Target(what, speed_up, LIBROSA_TARGETS[sample_rate], True))
            if sample_rate in FFT_TARGETS:
                for rival in (FFT, FLOAT32_FFT):
                    over_fft = ratios(times[OURS], times[rival]).median
                    what = f"time over that of the {rival} at {kilohertz}"
                    targets.append(Target(what, over_fft, FFT_TARGETS[sample_rate], False))
        steps = _steps(runs)
    in_steps = sum(row["relative"].median for row in steps.rows if isinstance(row["relative"], Spread))
    columns = (
        Column("rate", "sampling rate"),
        Column("what", "what"),
        Column("n_fft", "n_fft"),
        Column("time", "time", "ms"),
        Column("relative", "relative to ours", "×"),
        Column("real_time", "real time", "×"),
    )
    return Section(
        name="frontend",
        title="Front end: mel power of a recording",
        settings={"threads": 1, "seconds": seconds, "runs": runs},
        tables=[Figures("samples to 224 mel bands", columns, rows, Chart("rate", "time", "what")), steps],
        targets=targets,
        notes=[
            "librosa and the bare rfft have the thesis's literal n_fft, hop and window; ours zero-pads the "
            "window to a length that the FFT is fast at.",
            "The bare rfft is `np.fft.rfft(frames)` of float32 frames, which numpy computes in double "
            "precision; kept in float32 (`norm='forward'`, into an array that is used again, with our "
            "n_fft) it is the lowest time that numpy allows.",
            "The steps are those of the front end, on data in the cache. Together they take "
            f"{in_steps:.2f} times as long as the FFT; what ours takes beyond that is the way of samples and "
            "frames through memory.",
        ],
    )


def _steps(runs: int) -> Figures:
    """Where the time goes: the calls of `MelStream` for a block of frames, one by one."""
    stream = MelStream()
    samples = music(5, mel.SAMPLE_RATE)[:, 0].copy()
    frames = np.lib.stride_tricks.sliding_window_view(samples, mel.N_FFT)[:: mel.HOP_LENGTH]
    frames = frames[: mel.BLOCK_FRAMES]
    windowed, spectrum = stream._windowed, stream._spectrum
    squares = np.empty_like(spectrum.view(np.float32))
    bands = np.empty((len(frames), mel.N_MELS), np.float32)

    def product() -> None:
        for group in stream._groups:
            np.matmul(squares[:, group.columns], group.weights, out=bands[:, group.bands])

    steps: dict[str, Callable[[], object]] = {
        "window": lambda: np.multiply(frames, stream._window, out=windowed),
        FLOAT32_FFT: lambda: np.fft.rfft(windowed, norm="forward", out=spectrum),  # type: ignore[arg-type]
        "squares": lambda: np.square(spectrum.view(np.float32), out=squares),
        "product with the mel filters": product,
    }
    times = in_turn(steps, runs=STEP_RUNS * runs, warm_up=STEP_RUNS)
    rows: list[Row] = [
        {"step": name, "time": Spread.of(taken), "relative": ratios(taken, times[FLOAT32_FFT])}
        for name, taken in times.items()
    ]
    columns = (
        Column("step", "step"),
        Column("time", "time", "ms"),
        Column("relative", "relative to the FFT", "×"),
    )
    title = f"steps for {len(frames)} frames at {mel.SAMPLE_RATE / 1000:g} kHz"
    return Figures(title, columns, rows)


def literal_lengths(sample_rate: int) -> tuple[int, int]:
    """n_fft and hop as the thesis scales them (section 3.5.3), rounded to whole samples."""
    scale = sample_rate / mel.SAMPLE_RATE
    return round(mel.N_FFT * scale), round(mel.HOP_LENGTH * scale)


def librosa_mel(samples: Float32, sample_rate: int) -> Float32:
    """Mel power by librosa, shape (224, n_frames)."""
    import librosa

    n_fft, hop_length = literal_lengths(sample_rate)
    power: Float32 = librosa.feature.melspectrogram(
        y=samples,
        sr=sample_rate,
        n_fft=n_fft,
        hop_length=hop_length,
        n_mels=mel.N_MELS,
        fmin=mel.FMIN,
        fmax=mel.FMAX,
    )
    return power


def bare_rfft(samples: Float32, n_fft: int, hop_length: int) -> None:
    """The FFT of all frames and nothing else, block by block so that the results stay in the cache."""
    frames = np.lib.stride_tricks.sliding_window_view(samples, n_fft)[::hop_length]
    for first in range(0, len(frames), mel.BLOCK_FRAMES):
        np.fft.rfft(frames[first : first + mel.BLOCK_FRAMES])


def float32_rfft(samples: Float32, sample_rate: int) -> None:
    """The same in single precision throughout, with the front end's own n_fft."""
    n_fft = mel.front_end(sample_rate).n_fft
    _, hop_length = literal_lengths(sample_rate)
    frames = np.lib.stride_tricks.sliding_window_view(samples, n_fft)[::hop_length]
    spectrum = np.empty((mel.BLOCK_FRAMES, n_fft // 2 + 1), np.complex64)
    for first in range(0, len(frames), mel.BLOCK_FRAMES):
        block = frames[first : first + mel.BLOCK_FRAMES]
        np.fft.rfft(block, norm="forward", out=spectrum[: len(block)])  # type: ignore[arg-type]
