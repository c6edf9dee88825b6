"""From notes to sound, one stem per track: soundfonts by tinysoundfont, drums and voice of our own."""

import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from runtime.errors import WhichdanceError
from runtime.mel import SAMPLE_RATE, Float32
from training.synthesis import drums, voice
from training.synthesis.arrangement import DRUMS, Performance, Track
from training.synthesis.instruments import VOICE

FOLDERS = tuple(Path("/usr/share") / f for f in ("sounds/sf2", "sounds/sf3", "soundfonts", "samples"))
FOLDER_VARIABLE = "WHICHDANCE_SOUNDFONTS"  # one more folder to look in, first
SYNTHETIC_DRUMS_SHARE = 0.3
ONE_SHOT_SECONDS = 1.2
MIN_NOTE_SAMPLES = 400
PERCUSSION_BANK = 128


@dataclass(frozen=True)
class Soundfont:
    """A General MIDI soundfont that a Debian package brings; all may be used freely (docs/orchestra.md).

    Attributes
    ----------
    file : str
        Its name.
    package, licence : str
    """

    file: str
    package: str
    licence: str


SOUNDFONTS: dict[str, Soundfont] = {
    "fluid": Soundfont("FluidR3_GM.sf2", "fluid-soundfont-gm", "MIT"),
    "fluidmono": Soundfont("FluidR3Mono_GM.sf3", "fluidr3mono-gm-soundfont", "MIT"),
    "musescore": Soundfont(
        "MuseScore_General_Lite.sf3",
        "musescore-general-soundfont-small",
        "MIT, parts CC0",
    ),
    "gmbank": Soundfont("sf_GMbank.sf2", "csound-soundfont", "public domain"),
}


class SoundfontError(WhichdanceError):
    """A soundfont is unknown or not installed."""


def find_soundfont(name: str) -> Path:
    """Where a soundfont lies on this machine.

    Raises
    ------
    SoundfontError
        If it is none of `SOUNDFONTS`, or not installed.
    """
    if name not in SOUNDFONTS:
        raise SoundfontError(f"no soundfont {name!r}; known are {', '.join(SOUNDFONTS)}")
    extra = os.environ.get(FOLDER_VARIABLE)
    for folder in ((Path(extra),) if extra else ()) + FOLDERS:
        path = folder / SOUNDFONTS[name].file
        if path.is_file():
            return path
    packages = " ".join(s.package for s in SOUNDFONTS.values())
    raise SoundfontError(
        f"{SOUNDFONTS[name].file} not found; install the soundfonts with `apt-get install {packages}`, "
        f"or name the folder that has them in {FOLDER_VARIABLE}"
    )


def load(names: tuple[str, ...], sample_rate: int = SAMPLE_RATE) -> None:
    """Load soundfonts now rather than when first needed.

    joblib takes a worker whose memory grows by 300 MB for one that leaks, and replaces it; it compares
    with the worker's size after its first task, so all soundfonts have to be there by then.
    """
    for name in names:
        _synth(name, sample_rate)


@lru_cache
def _synth(name: str, sample_rate: int) -> tuple[Any, int]:
    """One synthesizer per soundfont and process: loading takes seconds, playing does not."""
    import tinysoundfont

    synth = tinysoundfont.Synth(samplerate=sample_rate)
    try:
        handle = synth.sfload(str(find_soundfont(name)))
    except SoundfontError:
        raise
    except Exception as error:
        raise SoundfontError(
            f"{find_soundfont(name)}: not a readable soundfont; reinstall its package"
        ) from error
    return synth, handle


def _select(synth: Any, handle: int, program: int, *, percussion: bool) -> int:
    """Choose a sound, the nearest one where the soundfont lacks it; returns the MIDI channel to play on."""
    channel, bank = (9, PERCUSSION_BANK) if percussion else (0, 0)
    for preset in (program, program // 8 * 8, 0):
        try:
            synth.program_select(channel, handle, bank, preset, percussion)
        except Exception:  # what tinysoundfont raises for a missing preset
            continue
        return channel
    raise SoundfontError(f"soundfont has no {'drum kit' if percussion else 'piano'}; it is not General MIDI")


def _velocity(loudness: float) -> int:
    return int(30 + 97 * loudness)


def _generate(synth: Any, n: int) -> Float32:
    stereo = np.frombuffer(synth.generate(n), np.float32)
    return (stereo[0::2] + stereo[1::2]) * np.float32(0.5)


def _silence(synth: Any) -> None:
    """Stop every note and let the voices die, so that nothing of one track is heard in the next."""
    synth.sounds_off()
    synth.generate(2048)


def play(track: Track, soundfont: str, n_samples: int, sample_rate: int = SAMPLE_RATE) -> Float32:
    """Play a melodic track from a soundfont, shape (n_samples,)."""
    synth, handle = _synth(soundfont, sample_rate)
    channel = _select(synth, handle, track.program, percussion=False)
    first = (track.notes[:, 0] * sample_rate).astype(int)
    last = first + np.maximum((track.notes[:, 1] * sample_rate).astype(int), MIN_NOTE_SAMPLES)
    events: list[tuple[int, int, int, int]] = []  # sample, 0 for off and 1 for on, pitch, velocity
    for on, off, (_, _, pitch, loudness) in zip(first, last, track.notes, strict=True):
        events += [
            (int(on), 1, int(pitch), _velocity(loudness)),
            (int(off), 0, int(pitch), 0),
        ]
    events.sort()
    y = np.zeros(n_samples, np.float32)
    position = 0
    for sample, on, pitch, velocity in events:
        if sample >= n_samples:
            break
        if sample - position >= 64:
            y[position:sample] = _generate(synth, sample - position)
            position = sample
        if on:
            synth.noteon(channel, pitch, velocity)
        else:
            synth.noteoff(channel, pitch)
    y[position:] = _generate(synth, n_samples - position)
    _silence(synth)
    return y


def one_shots(
    notes: set[int], kit: int, soundfont: str, sample_rate: int = SAMPLE_RATE
) -> dict[int, Float32]:
    """The strokes of a soundfont's drum kit, each rendered once: most of the speed comes from here."""
    synth, handle = _synth(soundfont, sample_rate)
    channel = _select(synth, handle, kit, percussion=True)
    sounds = {}
    for note in sorted(notes):
        synth.noteon(channel, note, 110)
        sounds[note] = _generate(synth, int(ONE_SHOT_SECONDS * sample_rate))
        _silence(synth)
    return sounds


def stems(
    performance: Performance,
    rng: np.random.Generator,
    soundfonts: tuple[str, ...] = tuple(SOUNDFONTS),
    sample_rate: int = SAMPLE_RATE,
) -> tuple[list[tuple[Track, Float32]], tuple[str, ...]]:
    """Render every track.

    Parameters
    ----------
    performance : Performance
    rng : Generator
    soundfonts : tuple of str
        Names in `SOUNDFONTS`; each track draws one.
    sample_rate : int
        Hz.

    Returns
    -------
    stems : list of (Track, ndarray of float32, shape (n_samples,))
        Each scaled to an RMS of one where it sounds; silent ones are left out.
    used : tuple of str
        The soundfonts that were heard.
    """
    n_samples = int((performance.lead_in + performance.duration) * sample_rate)
    rendered: list[tuple[Track, Float32]] = []
    used: set[str] = set()
    for track in performance.tracks:
        soundfont = soundfonts[rng.integers(len(soundfonts))]
        synthetic = rng.random() < SYNTHETIC_DRUMS_SHARE
        seed = rng.integers(2**63)
        if track.player == VOICE:
            y = voice.sing(track.notes, n_samples, sample_rate, np.random.default_rng(seed))
        elif track.player == DRUMS:
            struck = {int(n) for n in track.notes[:, 2]}
            if synthetic:
                maker = np.random.default_rng(seed)
                sounds = {}
                for note in sorted(struck):
                    low = note in drums.KICKS or note in drums.SNARES
                    sounds[note] = drums.hit(note, maker, sample_rate) * (
                        1 if low else maker.uniform(0.25, 0.7)
                    )
            else:
                sounds = one_shots(struck, track.program, soundfont, sample_rate)
                used.add(soundfont)
            y = drums.strokes(track.notes, sounds, n_samples, sample_rate)
        else:
            y = play(track, soundfont, n_samples, sample_rate)
            used.add(soundfont)
        level = np.abs(y)
        peak = float(level.max(initial=0))
        if peak > 1e-5:
            rms = float(np.sqrt(np.mean(y[level > 0.02 * peak] ** 2)))
            rendered.append((track, y / np.float32(rms)))
    return rendered, tuple(sorted(used))
