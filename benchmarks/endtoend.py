"""From a file to an answer, warm and from a fresh process; and folders of files."""

import functools
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks import machine, networks, usual
from benchmarks.report import Chart, Column, Figures, Row, Section, Target
from benchmarks.sounds import write_music
from benchmarks.timing import MIN_RUNS, Spread, fresh_process, in_turn, ratios
from runtime.audio import read
from runtime.classifier import Classifier
from runtime.command.batch import Batch
from runtime.mel import Float32, melspectrogram
from runtime.model import Model
from runtime.segments import windows
from runtime.session import BATCH_SEGMENTS

SAMPLE_RATE = 48_000  # Hz
FORMATS = ("mp3", "flac", "wav")
DECODING, OURS, USUAL = "decoding alone", "whichdance", "librosa and torch"
FRONT_END, NETWORK = "front end alone", "network alone"
DECODING_TARGET = 1.8  # times the time of decoding an MP3 alone, at most
WARM_TARGET, FRESH_TARGET = 3.0, 6.0  # times as fast as librosa and torch, at least
FOLDER_SECONDS = 30.0  # length of the recordings in a folder


def run(
    *,
    seconds: float = 240,
    model: str | None = None,
    formats: Sequence[str] = FORMATS,
    files: int = 200,
    runs: int = 9,
) -> Section:
    """Measure `classify` on generated recordings.

    Parameters
    ----------
    seconds : float
        Length of a recording.
    model : str, optional
        The default shipped model if None.
    formats : sequence of str
        File suffixes.
    files : int
        Recordings in the folder; 0 leaves the folder out.
    runs : int
    """
    with tempfile.TemporaryDirectory(prefix="whichdance-") as temporary:
        folder = Path(temporary)
        model_path = networks.model_file(model, folder)
        architecture, options = networks.built_as(model)
        checkpoint = str(networks.untrained_checkpoint(architecture, folder, options))
        recordings = {f: str(write_music(folder / f"music.{f}", seconds, SAMPLE_RATE)) for f in formats}
        rows, targets, bounds = _recordings(recordings, model_path, checkpoint, seconds, runs)
        tables = [_table("one recording", rows)]
        if files:
            tables.append(_folder(folder, model_path, files))
    return Section(
        name="endtoend",
        title="End to end: a file to an answer",
        settings={
            "threads": machine.cores(),
            "seconds": seconds,
            "sample_rate": SAMPLE_RATE,
            "model": networks.label_of(model),
            "runs": runs,
        },
        tables=tables,
        targets=targets,
        notes=[
            "Decoding alone: soundfile reads the whole file as float32.",
            "Librosa and torch: librosa.load (which resamples to 22.05 kHz), librosa's mel spectrogram, and "
            f"the same network ({architecture}) in torch with random weights, all "
            "segments as one batch.",
            "A fresh process includes starting Python, all imports (for torch also torchvision, whose "
            "networks `training.networks.models` builds on) and loading the model.",
            "Front end and network alone: the mel spectrogram of the decoded samples on one thread, and the "
            f"scores of all segments, {BATCH_SEGMENTS} at a time; with decoding, nearly all of the work.",
            *bounds,
        ],
    )


def _recordings(
    recordings: dict[str, str], model: str, checkpoint: str, seconds: float, runs: int
) -> tuple[list[Row], list[Target], list[str]]:
    """Rows, targets, and notes on what decoding alone allows."""
    classifier = Classifier(model)
    usual_classify = usual.load(checkpoint)
    rows: list[Row] = []
    targets: list[Target] = []
    bounds: list[str] = []
    for suffix, path in recordings.items():
        name = suffix.upper()
        samples, _ = read(path)
        segments = windows(melspectrogram(samples, sample_rate=SAMPLE_RATE))
        warm: dict[str, Callable[[], object]] = {
            DECODING: functools.partial(_decode, path),
            OURS: functools.partial(classifier.classify, path),
            USUAL: functools.partial(usual_classify, path),
            FRONT_END: functools.partial(melspectrogram, samples, sample_rate=SAMPLE_RATE),
            NETWORK: functools.partial(_run_network, classifier.model, segments),
        }
        script = f"import runtime; runtime.classify({path!r}, model={model!r})"
        fresh: dict[str, Callable[[], object]] = {
            OURS: functools.partial(fresh_process, ["-c", script]),
            USUAL: functools.partial(fresh_process, ["-m", "benchmarks.usual", checkpoint, path]),
        }
        for state, rivals in (("warm", warm), ("fresh process", fresh)):
            times = in_turn(rivals, runs=runs)
            for rival, taken in times.items():
                rows.append(
                    {
                        "case": f"{name}, {state}",
                        "what": rival,
                        "time": Spread.of(taken),
                        "relative": ratios(taken, times[OURS]),
                        "real_time": seconds / Spread.of(taken).median,
                    }
                )
            speed_up = ratios(times[USUAL], times[OURS]).median
            if state == "warm":
                targets.append(Target(f"{name}, warm: speed over {USUAL}", speed_up, WARM_TARGET, True))
                bound = ratios(times[USUAL], times[DECODING]).median
                bounds.append(
                    f"{name}: {USUAL} take {bound:.2g} times as long as decoding alone; nothing that decodes "
                    "the file as soundfile does can be further ahead of them than that."
                )
                work = sum(Spread.of(times[part]).median for part in (FRONT_END, NETWORK))
                allowed = Spread.of(times[USUAL]).median / WARM_TARGET
                bounds.append(
                    f"{name}: front end and network alone take {100 * work / allowed:.0f} % of the time in "
                    f"which {USUAL} would be {WARM_TARGET:g} times slower; decoding runs beside them."
                )
                if suffix == "mp3" and machine.cores() >= 2:
                    over = ratios(times[OURS], times[DECODING]).median
                    targets.append(
                        Target("MP3, warm: time over decoding alone", over, DECODING_TARGET, False)
                    )
            else:
                targets.append(
                    Target(f"{name}, fresh process: speed over {USUAL}", speed_up, FRESH_TARGET, True)
                )
    return rows, targets, bounds


def _table(title: str, rows: list[Row]) -> Figures:
    columns = (
        Column("case", "case"),
        Column("what", "what"),
        Column("time", "time", "ms"),
        Column("relative", "relative to ours", "×"),
        Column("real_time", "real time", "×"),
    )
    return Figures(title, columns, rows, Chart("case", "time", "what"))


def _decode(path: str) -> None:
    import soundfile

    soundfile.read(path, dtype="float32")


def _run_network(model: Model, segments: Float32) -> None:
    for first in range(0, len(segments), BATCH_SEGMENTS):
        model.run(segments[first : first + BATCH_SEGMENTS])


def _folder(folder: Path, model: str, n_files: int) -> Figures:
    """Throughput against the number of processes."""
    music = folder / "folder"
    music.mkdir()
    first = write_music(music / "000.mp3", FOLDER_SECONDS, SAMPLE_RATE)
    for i in range(1, n_files):
        shutil.copy(first, music / f"{i:03}.mp3")
    paths = [str(path) for path in sorted(music.iterdir())]
    rows: list[Row] = []
    rivals: dict[str, Callable[[], object]] = {
        str(jobs): functools.partial(_classify_folder, paths, model, jobs)
        for jobs in sorted({1, 2, machine.cores(), 2 * machine.cores()})
    }
    times = in_turn(rivals, runs=MIN_RUNS, warm_up=0)
    for jobs, taken in times.items():
        median = Spread.of(taken).median
        rows.append(
            {
                "jobs": int(jobs),
                "time": Spread.of(taken),
                "relative": ratios(times["1"], taken),
                "files": n_files / median,
                "real_time": n_files * FOLDER_SECONDS / median,
            }
        )
    columns = (
        Column("jobs", "processes"),
        Column("time", "time", "s"),
        Column("relative", "speed over one process", "×"),
        Column("files", "files per second"),
        Column("real_time", "real time", "×"),
    )
    title = f"a folder of {n_files} MP3 files of {FOLDER_SECONDS:g} s, starting the processes included"
    return Figures(title, columns, rows, Chart("jobs", "files"))


def _classify_folder(paths: Sequence[str], model: str, jobs: int) -> None:
    for outcome in Batch(model=model, jobs=jobs).classify(paths):
        if outcome.error:
            raise RuntimeError(outcome.error)
