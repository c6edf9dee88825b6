"""From a style to notes: who plays what, when, how loudly. Times are in beats, in seconds at the end.

The same seed gives the same recording as long as no random draw is added, left out or moved: their order,
here and in what this module calls, is part of a corpus's format.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from runtime.beats import Beats
from runtime.dances import OTHER
from training.synthesis import humans, players
from training.synthesis.form import Form, draw, draw_form
from training.synthesis.harmony import Harmony, draw_harmony
from training.synthesis.instruments import DRUM_KITS, FAMILIES, PERCUSSION, VOICE
from training.synthesis.patterns import alternating
from training.synthesis.players import Event
from training.synthesis.styles import DanceStyles, Style, StyleError

DRUMS = "drums"  # the `player` of percussion tracks
PADS = ("strings", "pad", "organ", "choir", "strings")  # who plays chords that are held
REGIME_SHARES = {"strict": 0.45, "loose": 0.35, "wide": 0.20}
# Strict-tempo albums, too, have pieces outside their dance's usual tempi (`bpm` in onset_curves_dev.npz);
# what is rare is the hardest to learn.
STRAY_SHARE = 0.15
HUMAN_ROLES = ("drums", "percussion")  # that a human drummer plays
HUMAN_JITTER = 0.0005  # s
MACHINE_JITTER = 0.0005  # s
UNEVENNESS, MACHINE_UNEVENNESS = 0.06, 0.01  # of loudness, standard deviation, of people who hardly stray
ATTEMPTS = 20  # once in hundreds of the shortest recordings all players happen to rest


@dataclass(frozen=True)
class Track:
    """What one player, or one section of players, plays.

    Attributes
    ----------
    role : str
        'drums', 'percussion', 'carpet', 'bass', 'chords', 'chords2', 'lead' or 'counter'.
    player : str
        An instrument family, `VOICE` or `DRUMS`.
    program : int
        General MIDI program, or drum kit.
    notes : ndarray, shape (n, 4), float64
        Sorted: start in seconds, length in seconds, MIDI pitch, loudness 0 to 1.
    level_db : float
        How much louder than others of its role the mix takes it.
    """

    role: str
    player: str
    program: int
    notes: NDArray[np.float64]
    level_db: float = 0.0


class _Part(NamedTuple):
    """A track whose instrument and times are not settled; the fields are those of `Track`."""

    role: str
    player: str
    events: list[Event]
    level_db: float = 0.0


@dataclass(frozen=True)
class Performance:
    """A whole recording as notes.

    Attributes
    ----------
    style : Style
    regime : str
        'strict', 'loose' or 'wide'.
    tempo_bpm : float
        Beats per minute.
    duration : float
        s, to be heard.
    lead_in : float
        s that are played before what is heard, 0 where the piece begins.
    beat_times : ndarray, shape (n_beats,), float64
        Of the danced beats, seconds from the start of what is heard.
    downbeat : int
        Index of the first bar line among them.
    tracks : tuple of Track
        Their times are seconds from the start of the lead-in.
    early_reflections, ensemble, veiled, soft_drums : bool
        How the mix is to treat it, see `styles.Feel`.
    drummer, tune : str
        The human performance, and the lead sheet with its authors, that were used; '' without.
    """

    style: Style
    regime: str
    tempo_bpm: float
    duration: float
    lead_in: float
    beat_times: NDArray[np.float64]
    downbeat: int
    tracks: tuple[Track, ...]
    early_reflections: bool
    ensemble: bool
    veiled: bool
    soft_drums: bool
    drummer: str = ""
    tune: str = ""

    @property
    def beats(self) -> Beats:
        """The danced beats that are heard, and their positions in the bar."""
        numbers = np.arange(len(self.beat_times)) - self.downbeat
        return Beats.of(self.beat_times, numbers % self.style.beats_per_bar + 1)


def arrange(
    styles: DanceStyles,
    rng: np.random.Generator,
    duration: float,
    *,
    regime: str | None = None,
    style_name: str | None = None,
    people: humans.Humans | None = None,
    casting: np.random.Generator | None = None,
) -> Performance:
    """Let a band play one dance.

    Parameters
    ----------
    styles : DanceStyles
        The dance's style file.
    rng : Generator
        Source of all decisions.
    duration : float
        s.
    regime : str, optional
        'strict', 'loose' or 'wide' tempo; drawn by `REGIME_SHARES` if None.
    style_name : str, optional
        One of the dance's styles; drawn by their weights if None.
    people : Humans, optional
        Whose playing and tunes may be used; without them the orchestra plays alone.
    casting : Generator, optional
        Source of the decisions who of them plays; needed with `people`.

    Raises
    ------
    StyleError
        If the style's patterns are all rests.
    """
    if regime is None:
        regime = str(rng.choice(list(REGIME_SHARES), p=list(REGIME_SHARES.values())))
    style = _choose_style(styles, rng, regime, style_name)
    tempo = _choose_tempo(styles, style, rng, regime)
    for _ in range(ATTEMPTS):
        form = draw_form(style, regime, tempo, duration, rng)
        harmony = draw_harmony(form, rng)
        cast = people.cast(form, casting) if people and casting else humans.NOBODY
        if cast.tune:
            harmony = cast.tune.harmony(harmony)
        performance = _perform(form, harmony, rng, cast)
        if performance.tracks:
            return performance
    raise StyleError(
        f"{style.dance}, style {style.name}: nobody plays a note in {duration:g} s, whatever is drawn; "
        "write drums, bass, chords or lead_notes into it"
    )


def _choose_style(styles: DanceStyles, rng: np.random.Generator, regime: str, name: str | None) -> Style:
    if name is not None:
        return next(s for s in styles.styles if s.name == name)
    weights = np.array([s.weight[list(REGIME_SHARES).index(regime)] for s in styles.styles])
    return styles.styles[rng.choice(len(weights), p=weights / weights.sum())]


def _choose_tempo(styles: DanceStyles, style: Style, rng: np.random.Generator, regime: str) -> float:
    """Beats per minute; strict-tempo recordings keep to whole bars per minute, nearly."""
    if style.dance == OTHER and style.tempo:
        return draw(rng, style.tempo)
    if regime == "strict" and rng.random() > STRAY_SHARE:
        bpm, weight = np.array(styles.strict).T
        return float(rng.choice(bpm, p=weight / weight.sum()) * rng.normal(1, 0.003))
    if regime == "strict":
        return draw(rng, styles.wide)
    return draw(rng, style.tempo or (styles.loose if regime == "loose" else styles.wide))


def _perform(form: Form, harmony: Harmony, rng: np.random.Generator, cast: humans.Cast) -> Performance:
    """Let all players play, and put their notes on one time axis."""
    parts = _parts(form, harmony, rng, cast)
    times = _beat_times(form, rng)
    origin = 0.0 if form.from_start else rng.uniform(0, form.bar_seconds)
    tracks = tuple(
        Track(part.role, part.player, _program(part.player, rng), notes, part.level_db)
        for part in parts
        if len(
            notes := _timed(
                form,
                rng,
                part.events,
                part.role,
                part.player,
                times,
                origin,
                human=bool(cast.drummer and part.role in HUMAN_ROLES),
            )
        )
    )
    beats = times - origin - form.lead_in
    heard = (beats >= 0) & (beats < form.duration)
    feel = form.style.feel
    heard_roles = {track.role for track in tracks}
    return Performance(
        style=form.style,
        regime=form.regime,
        tempo_bpm=form.bpm,
        duration=form.duration,
        lead_in=form.lead_in,
        beat_times=beats[heard],
        downbeat=-int(np.argmax(heard)) % form.beats,
        tracks=tracks,
        early_reflections=rng.random() < feel.early,
        ensemble=rng.random() < feel.ensemble,
        veiled=rng.random() < feel.veil,
        soft_drums=rng.random() < feel.soft_drums,
        drummer=cast.drummer.name if cast.drummer and heard_roles & set(HUMAN_ROLES) else "",
        tune=cast.tune.name if cast.tune and "lead" in heard_roles else "",
    )


def _parts(form: Form, harmony: Harmony, rng: np.random.Generator, cast: humans.Cast) -> list[_Part]:
    """What each player plays."""
    style = form.style
    parts = [
        _Part("drums", DRUMS, players.drums(form, rng, style.drums, "drums", 0.25, cast.drummer)),
        _Part(
            "percussion",
            DRUMS,
            players.drums(form, rng, style.percussion, "percussion", 0.25, cast.drummer),
        ),
    ]
    for layer in style.carpets:
        if not form.plain and rng.random() < layer.share:
            player, events = players.carpet(form, harmony, rng, layer)
            parts.append(_Part("carpet", DRUMS if player in PERCUSSION else player, events, layer.level_db))
    parts.append(_Part("bass", _player(style, "bass", rng), players.bass(form, harmony, rng)))
    for role, patterns in (("chords", style.chords), ("chords2", style.chords2)):
        variants = [(patterns[v], when) for v, when in alternating(form, rng, role, len(patterns), 0.6)]
        held = variants[0][0][0] == "pad"
        player = PADS[rng.integers(len(PADS))] if held else _player(style, role, rng)
        parts.append(_Part(role, player, players.chords(form, harmony, rng, variants, role)))
    lead = cast.tune.melody(form) if cast.tune else players.melody(form, harmony, rng)
    parts.append(_Part("lead", _player(style, "lead", rng), lead))
    if rng.random() < 0.3:
        player = ("voice", "choir", "strings", _player(style, "chords", rng))[rng.integers(4)]
        parts.append(_Part("counter", player, players.counter_melody(form, harmony, rng, lead)))
    return parts


def _player(style: Style, role: str, rng: np.random.Generator) -> str:
    """Who plays a role: as the style says, now and then a singer or a stranger."""
    families = style.instruments.get(role) or style.instruments["chords"]
    if role == "lead" and rng.random() < 0.12:
        return VOICE
    if role != "bass" and rng.random() < 0.1:
        strangers = sorted(f for f in FAMILIES if "bass" not in f and f not in ("tuba", "bagpipe"))
        return strangers[rng.integers(len(strangers))]
    return families[rng.integers(len(families))]


def _program(player: str, rng: np.random.Generator) -> int:
    if player == VOICE:
        return 0
    return int(rng.choice(DRUM_KITS if player == DRUMS else FAMILIES[player]))


def _beat_times(form: Form, rng: np.random.Generator) -> NDArray[np.float64]:
    """Seconds of each beat: strict-tempo bands hold it, others drift, some breathe with the phrase."""
    feel = form.style.feel
    n = form.n_bars * form.beats + form.beats + 1
    strict = form.regime == "strict" or bool(form.machines)
    sigma = 0.0004 if strict or rng.random() < 0.6 else rng.uniform(0.2, 1.5) * feel.drift
    drift = np.zeros(n)
    for i, step in enumerate(rng.normal(0, sigma, n - 1)):
        drift[i + 1] = 0.9 * drift[i] + step
    if not strict and rng.random() < feel.rubato:
        phrase = form.beats * int(rng.choice([2, 4]))
        depth = rng.uniform(0.02, 0.1)
        drift += depth * np.sin(2 * np.pi * (np.arange(n) / phrase + rng.random()))
    lengths = form.beat_seconds * (1 + drift - drift.mean())
    return np.concatenate([[0.0], np.cumsum(lengths)])


def _timed(
    form: Form,
    rng: np.random.Generator,
    events: list[Event],
    role: str,
    player: str,
    times: NDArray[np.float64],
    origin: float,
    *,
    human: bool = False,
) -> NDArray[np.float64]:
    """Notes in seconds, as people play them: each a little early or late, the section spread out."""
    feel = form.style.feel
    jitter = draw(rng, feel.jitter_ms) / 1000
    fast = form.beat_seconds < 0.4
    if human:
        jitter = HUMAN_JITTER  # a person's timing is in the notes
    if player == VOICE:
        jitter = rng.uniform(0.008, 0.03 if fast else 0.05)
    if rng.random() < feel.spread:
        widest = draw(rng, feel.spread_ms) / 1000
        jitter = max(jitter, widest / 2 if player == DRUMS else widest)
    machine = role in form.machines and player != VOICE
    if machine:
        jitter = min(jitter, MACHINE_JITTER)
    late = rng.normal(0, 0.006)
    if not events:
        return np.zeros((0, 4))
    notes = np.array(events, dtype=np.float64)
    level = np.array([form.section_level[form.section(int(beat / form.beats))] for beat in notes[:, 0]])
    start = np.interp(notes[:, 0], np.arange(len(times)), times) - origin + late
    start += rng.normal(0, jitter, len(start))
    uneven = MACHINE_UNEVENNESS if machine else UNEVENNESS
    softer = 1 - np.abs(rng.normal(0, uneven + 0.3 * form.strays(role), len(start)))
    notes[:, 0] = start
    notes[:, 1] *= form.beat_seconds
    notes[:, 3] = np.clip(notes[:, 3] * level * softer, 0.08, 1)
    notes = notes[(start > -0.05) & (start < form.duration + form.lead_in)]
    notes[:, 0] = np.maximum(notes[:, 0], 0)
    return notes[np.argsort(notes[:, 0], kind="stable")]
