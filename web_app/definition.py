"""What the page's JavaScript has to know, exported from `runtime`: each number stands in one place."""

from dataclasses import asdict, fields
from types import ModuleType
from typing import Any

import numpy as np

from runtime import (
    answer,
    bar_pointer,
    beat_activations,
    beats,
    cells,
    context,
    corrections,
    dances,
    downmix,
    evidence,
    keeping,
    live,
    loudness,
    mel,
    pairs,
    recalibrate,
    segments,
    session,
    taught,
    teach,
    tempo,
)
from runtime.beat_activations import BeatModel
from runtime.codec import STORED
from runtime.colour import contrast, ink_on
from runtime.counts import COUNTS, starts_on
from runtime.dances import GROUPS, OTHER, Dance, dance
from runtime.evidence import EvidenceSettings
from runtime.model import INPUT, OUTPUT, Model
from runtime.session import for_group

# Hz: what sound cards, headsets and recordings have. A device at another rate is asked for the preferred one.
RATES = (8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 88_200, 96_000, 192_000)
PREFERRED_RATE = 48_000  # Hz
LZMA = ".lzma"  # suffix of files packed so

DARK_GROUND = "#30252e"  # behind the dances' colours where the page is dark; as in style.css
SHAPE_CONTRAST = 2.2  # of a dance's colour on that ground


def front_end_file(sample_rate: int) -> str:
    """Where the window and the filters of a sampling rate lie, packed, below the page."""
    return f"front_end/{sample_rate}.bin{LZMA}"


def rate_definition(sample_rate: int) -> tuple[dict[str, Any], bytes]:
    """The front end at a sampling rate: its lengths, and its numbers.

    Parameters
    ----------
    sample_rate : int
        Hz.

    Returns
    -------
    definition : dict
        Lengths, and which bins of the FFT each mel band reaches.
    numbers : bytes
        The window, then each band's weights one after the other: float32, little-endian.
    """
    lengths = mel.front_end(sample_rate)
    filters = mel.mel_filters(sample_rate)
    starts, counts, weights = [], [], [mel.hann(lengths.win_length)]
    for band in filters.T:
        (reached,) = np.nonzero(band)
        start, stop = (int(reached[0]), int(reached[-1]) + 1) if len(reached) else (0, 0)
        starts.append(start)
        counts.append(stop - start)
        weights.append(band[start:stop])
    definition = {
        "sample_rate": sample_rate,
        "win_length": lengths.win_length,
        "n_fft": lengths.n_fft,
        "band_starts": starts,
        "band_lengths": counts,
        "file": front_end_file(sample_rate),
    }
    return definition, np.concatenate(weights).astype("<f4").tobytes()


def definition(model: Model, *, model_file: str, precision: str, version: str) -> dict[str, Any]:
    """Everything but the numbers of the front end, as plain objects that `json` accepts.

    Parameters
    ----------
    model : Model
    model_file : str
        Where the page finds it.
    precision : str
        'float' or 'int8', for people.
    version : str
        Of whichdance.
    """
    info = model.info
    return {
        "version": version,
        "other": OTHER,
        **_steps(),
        "evidence": asdict(for_group(info, info.labels, nothing_else=False))
        | _constants(
            evidence,
            "LEAST_SCORE",
            "NEGLIGIBLE",
            "MAX_JUMPS",
            "MEMORY_UPDATES",
            "RESUME_SECONDS",
            "MAX_PARTS",
        ),
        **_answers(),
        "model": {
            "file": model_file,
            "name": info.name,
            "version": info.version,
            "precision": precision,
            "licence": info.licence,
            "training_data": info.training_data,
            "labels": list(info.labels),
            "segment_frames": info.segment_frames,
            "context_frames": list(info.context_frames),
            "input": INPUT,
            "output": OUTPUT,
        },
        "dances": {label: _facts(dance(label)) for label in info.labels},
        "beats": _beats(),
        "teaching": _teaching(),
        "teachable": None,
        "counts": {
            label: {"starts": starts_on(COUNTS[label]), "said": COUNTS[label]}
            for label in info.labels
            if label in COUNTS
        },
        "groups": {name: [k for k in info.labels if k in keys] for name, keys in GROUPS.items()},
        "group_temperatures": dict(info.group_temperatures),
    }


def _steps() -> dict[str, Any]:
    """What the steps from sound to scores take, and the tempo: the same for all models."""
    return {
        "front_end": {
            "sample_rate": mel.SAMPLE_RATE,
            "hop_length": mel.HOP_LENGTH,
            "n_mels": mel.N_MELS,
            "frame_rate": mel.FRAME_RATE,
            "preferred_rate": PREFERRED_RATE,
            "rates": [rate_definition(rate)[0] for rate in RATES],
        },
        "audio": _constants(downmix, "SIDE_RATIO"),
        "segments": {
            "default_stride": segments.DEFAULT_STRIDE,
            "live_stride": live.LIVE_STRIDE,
            "min_seconds": segments.MIN_SECONDS,
        },
        "context": _constants(context, "DOUBT"),
        "session": _constants(session, "TEMPO_SECONDS", "PREVAILS", "LEAST_SHARED", "RULED_OUT"),
        "loudness": _constants(loudness, "SILENCE_BELOW", "SILENCE_FLOOR", "DECAY"),
        "tempo": _constants(
            tempo,
            "MAX_LAG",
            "ONSET_BANDS",
            "POOLED_BANDS",
            "DYNAMIC_RANGE",
            "MIN_FRAMES",
            "GRID_STEP",
            "BAR_WEIGHT",
            "PRIOR_OCTAVES",
            "PRIOR_WEIGHT",
            "BUCKET_FRAMES",
            "MAX_BUCKETS",
        ),
    }


def _answers() -> dict[str, Any]:
    """What people are shown, live and in tables."""
    return {
        "answer": _constants(answer, "PROBABLY_FROM", "QUITE_SURE_FROM", "QUITE_SURE_SECONDS", "MARGIN")
        | _constants(pairs, "LEAST_TWO_SECONDS"),
        "live": _constants(
            live,
            "MUTED_SECONDS",
            "FLOOR_DB",
            "QUIET_DB",
            "CLIPPED",
            "CLIPPED_SAMPLES",
            "WINDOW_SECONDS",
        )
        | {"loudest": downmix.LOUDEST},
        "columns": {
            "recording": cells.RECORDING,
            "part": cells.PART,
            "evening": cells.EVENING,
            "score": cells.SCORE,
            "formula": cells.FORMULA,
        },
    }


def _beats() -> dict[str, Any]:
    """The network for beats, and the model of bars that decodes it."""
    model = BeatModel.load()
    return {
        "dances": list(model.dances),
        "state_size": model.state_size,
        "inputs": [beat_activations.FEATURES, beat_activations.DANCES, beat_activations.STATE],
        "outputs": [beat_activations.ACTIVATIONS, beat_activations.NEW_STATE],
        "bars": {"mpm": bar_pointer.MPM}
        | _constants(
            bar_pointer,
            "METRES",
            "STEP",
            "UPSAMPLING",
            "TEMPO_RIGIDITY",
            "NEAR_SECONDS",
            "BEAT_SECONDS",
            "NO_BEAT",
            "TEMPER",
            "LEAK",
            "TEMPO_OCTAVES",
            "UNUSUAL",
            "UNLIKELY",
            "NEGLIGIBLE",
            "SHARPNESS",
            "STRANGE",
            "ALIKE",
            "LEAST_STATE",
            "CLEAR_KEPT",
            "FAINT",
            "LOWEST",
        ),
    } | (
        _constants(beat_activations, "FEATURE_BANDS", "HARMONY_BANDS", "DYNAMIC_RANGE", "LOOK_AHEAD")
        | _constants(beats, "BEAT_AT", "COUNT_AT", "CLEAR_LIVE")
    )


def _teaching() -> dict[str, Any]:
    """How a head is fitted to what listeners corrected, and how that is kept."""
    return (
        _constants(teach, "SEGMENTS", "DRAWS", "REHEARSED", "NEW_SHARE", "NEW_BIAS")
        | _constants(keeping, "STRENGTHS", "FORGETS", "COVERED")
        | _constants(keeping, "FOLDS", "MIN_GROUPS", "BALANCE", "SIGNIFICANT", "LIKELY", "SURELY")
        | _constants(recalibrate, "LEAST", "SHRINKAGE", "WEIGHTS", "BIASES", "SEQUENCES", "SONGS", "HEARD")
        | _constants(corrections, "KEPT", "MOST", "REMEMBERED")
        | _constants(taught, "SUFFIX", "FORMAT", "MAX_BYTES", "MAX_LABELS", "MAX_SIZE")
        | _constants(dances, "MAX_LABEL")
        | {
            "temperatures": recalibrate.TEMPERATURES.tolist(),
            "lowest": STORED.lowest,
            "step": STORED.step,
            "evidence": [one.name for one in fields(EvidenceSettings)],
        }
    )


def _constants(module: ModuleType, *names: str) -> dict[str, Any]:
    return {name.lower(): getattr(module, name) for name in names}


def _facts(one: Dance) -> dict[str, Any]:
    facts = asdict(one)
    for name in ("key", "source", "thesis"):
        del facts[name]
    lifted = _lifted(one.colour)
    inks = {"ink": ink_on(one.colour), "ink_on_dark": ink_on(lifted)}
    return facts | {"colour_on_dark": lifted} | inks


def _lifted(colour: str) -> str:
    """A colour, mixed with as much white as it needs to stand out from the dark ground."""
    mixed = colour
    for part in range(0, 101, 4):
        channels = (round((int(colour[i : i + 2], 16) * (100 - part) + 255 * part) / 100) for i in (1, 3, 5))
        mixed = "#{:02x}{:02x}{:02x}".format(*channels)
        if contrast(mixed, DARK_GROUND) >= SHAPE_CONTRAST:
            break
    return mixed
