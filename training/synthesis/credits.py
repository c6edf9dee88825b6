"""Whose work is heard in generated recordings, and under which licence: what cards and models say of it."""

from collections import Counter
from collections.abc import Iterable

from training.data.manifest import Recording


def credits_of(recordings: Iterable[Recording]) -> list[str]:
    """A line for each kind of material, from a corpus's columns `soundfonts`, `drummer` and `tune`.

    Parameters
    ----------
    recordings : iterable of Recording
        Those that are not generated, and have no such columns, add nothing.
    """
    fonts: Counter[str] = Counter()
    drummers: list[str] = []
    songs: list[str] = []
    for recording in recordings:
        fonts.update(filter(None, recording.column("soundfonts").split("+")))
        drummers += filter(None, [recording.column("drummer")])
        songs += filter(None, [recording.column("tune")])
    if not (fonts or drummers or songs):
        return []
    # Synthesis takes seconds to import, for which other recordings give no reason.
    from training.synthesis import grooves, tunes
    from training.synthesis.rendering import SOUNDFONTS

    lines = []
    if fonts:
        named = [
            f"{SOUNDFONTS[name].file} ({SOUNDFONTS[name].licence})" if name in SOUNDFONTS else name
            for name in sorted(fonts)
        ]
        lines.append(f"Soundfonts: {', '.join(named)}.")
    if drummers:
        count = f"{len(set(drummers))} performances in {len(drummers)} recordings"
        lines.append(f"Drummers: {grooves.ATTRIBUTION}. {count}; timing, loudness and tempo were changed.")
    if songs:
        names = "; ".join(sorted(set(songs)))
        free = f"works in the public domain, whose authors died before {tunes.FREE_BEFORE}"
        lines.append(f"Tunes: {tunes.ATTRIBUTION}, {free}, in {len(songs)} recordings: {names}.")
    return lines
