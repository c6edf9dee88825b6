"""Who trains, who validates, who tests: splits by the hash of a group.

A song, an artist or an album that is in two splits makes the accuracy look better than it is, so what is
split are groups, not recordings. And a collection grows: a split is a function of the group's name and the
seed alone, so that a new recording moves no other one.
"""

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from runtime.errors import ParameterError, WhichdanceError
from training.data.manifest import Recording

GROUPS = ("album", "artist", "song", "folder", "file")  # for `group_by`; or the name of a column


def group_of(recording: Recording) -> str:
    """The recording's group; without one its file, named by its folder and name, wherever these lie."""
    return recording.group or "/".join(recording.path.parts[-2:])


def place(group: str, seed: int = 0) -> float:
    """Where a group stands between 0 and 1, uniform over all groups: the first bytes of a SHA-256."""
    digest = hashlib.sha256(f"{seed} {group}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def assign_splits(
    recordings: Sequence[Recording],
    *,
    validation: float = 6,
    test: float = 6,
    seed: int = 0,
    kept: Mapping[str, str] | None = None,
    stratified: bool = False,
) -> list[Recording]:
    """Put groups into the test, validation and train splits.

    Parameters
    ----------
    recordings : sequence of Recording
    validation, test : float
        Below 1: a share of all groups, chosen by their hashes alone, whatever else is in the collection.
        From 1 on: at least so many recordings of each dance, the thesis's 6 (4.2.2), those whose hashes come
        first. A new recording may then take the place of one; `kept` prevents even that.
    seed : int
        Of the hashes.
    kept : mapping of str to str, optional
        Splits of groups that are not to move, as `splits_of` gives them.
    stratified : bool
        Shares are of the recordings of each dance, at least one of those that have three: the same shares of
        rare and common dances, and a new recording may take the place of one.

    Raises
    ------
    ParameterError
    """
    for name, value in (("validation", validation), ("test", test)):
        if value < 0 or (value >= 1 and value != int(value)):
            raise ParameterError(f"{name} must be a share from 0 to below 1 or a whole number, got {value}")
    if 0 < validation < 1 and 0 < test < 1 and validation + test >= 1:
        raise ParameterError(f"validation {validation} and test {test} leave nothing to train on")
    every = Counter(r.dance for r in recordings)

    def goal(dance: str, amount: float) -> float:
        """How many recordings of a dance are wanted."""
        if amount >= 1 or amount == 0:
            return amount
        return max(1, round(amount * every[dance])) if every[dance] >= 3 else 0

    members: defaultdict[str, list[Recording]] = defaultdict(list)
    for recording in recordings:
        members[group_of(recording)].append(recording)
    chosen = {group: split for group, split in (kept or {}).items() if group in members and split}
    taken: dict[str, Counter[str]] = {"test": Counter(), "validation": Counter(), "train": Counter()}
    for group, split in chosen.items():
        taken[split].update(r.dance for r in members[group])
    for group in sorted(members.keys() - chosen.keys(), key=lambda g: (place(g, seed), g)):
        dances = {r.dance for r in members[group]}

        def wanted(split: str, amount: float, start: float, group: str = group, dances: Any = dances) -> bool:
            if amount < 1 and not stratified:
                return start <= place(group, seed) < start + amount
            return any(taken[split][dance] < goal(dance, amount) for dance in dances)

        if wanted("test", test, 0.0):
            split = "test"
        elif wanted("validation", validation, test if test < 1 else 0.0):
            split = "validation"
        else:
            split = "train"
        chosen[group] = split
        taken[split].update(r.dance for r in members[group])
    return [replace(r, split=chosen[group_of(r)]) for r in recordings]


def splits_of(recordings: Sequence[Recording]) -> dict[str, str]:
    """The split of each group, where it has one."""
    return {group_of(r): r.split for r in recordings if r.split}


def leaks(recordings: Sequence[Recording]) -> dict[str, list[str]]:
    """Groups that are in several splits, with these."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for recording in recordings:
        if recording.split:
            found[group_of(recording)].add(recording.split)
    return {group: sorted(splits) for group, splits in found.items() if len(splits) > 1}


def folds(recordings: Sequence[Recording], k: int, seed: int = 0) -> Iterator[list[Recording]]:
    """Cross-validation: the recordings k times, with another fold as test and the next one as validation.

    Folds hold whole groups, and the dances in like shares as far as groups allow
    (`sklearn.model_selection.StratifiedGroupKFold`).
    """
    from sklearn.model_selection import StratifiedGroupKFold

    groups = [group_of(r) for r in recordings]
    if not 3 <= k <= len(set(groups)):
        raise ParameterError(
            f"folds must be from 3 (train, validation, test) to the {len(set(groups))} groups; got {k}"
        )
    splitter = StratifiedGroupKFold(k, shuffle=True, random_state=seed)
    dances = [r.dance for r in recordings]
    parts = [set(test.tolist()) for _, test in splitter.split(dances, dances, groups)]
    for number in range(k):
        names = dict.fromkeys(parts[number], "test") | dict.fromkeys(parts[(number + 1) % k], "validation")
        yield [replace(r, split=names.get(i, "train")) for i, r in enumerate(recordings)]


def group_by(recordings: Sequence[Recording], by: str) -> list[Recording]:
    """The recordings with their groups set.

    Parameters
    ----------
    recordings : sequence of Recording
    by : str
        'album', 'artist' or 'song': from the column of that name ('title' for a song) or else the file's
        tags; 'folder': the folder that holds the file; 'file': each by itself; else the name of a column.

    Raises
    ------
    WhichdanceError
        If no recording has such a column or tag.
    """
    if by == "file":
        return [replace(r, group="") for r in recordings]
    if by == "folder":
        return [replace(r, group=r.path.parent.name) for r in recordings]
    names = [_named(r, by) for r in recordings]
    if not any(names):
        kinds = "a tag or a column" if by in GROUPS else "a column"
        raise WhichdanceError(
            f"no recording has {kinds} {by!r} to be grouped by; known are {', '.join(GROUPS)}"
        )
    return [replace(r, group=name and f"{by}: {name}") for r, name in zip(recordings, names, strict=True)]


def _named(recording: Recording, by: str) -> str:
    if by not in GROUPS:
        return recording.column(by).strip()
    tags = {name: recording.column(name) for name in ("title", "artist", "album")}
    wanted = "title" if by == "song" else by
    if not tags[wanted]:
        tags = tags_of(recording.path)
    if by == "album":  # 'Greatest Hits' is the name of many; a sampler has one album artist or none
        return " / ".join(filter(None, (_plain(tags.get("albumartist", "")), _plain(tags[wanted]))))
    return _plain(tags[wanted])


def _plain(name: str) -> str:
    """'Moon River (remastered) ' to 'moon river': the same song however it is written."""
    return " ".join(re.sub(r"[(\[].*?[)\]]", " ", name).lower().split()) or " ".join(name.lower().split())


ID3 = {"title": "TIT2", "artist": "TPE1", "album": "TALB", "albumartist": "TPE2"}


def tags_of(path: Path) -> dict[str, str]:
    """Title, artist, album and album artist in a file's tags, '' where it has none or cannot be read."""
    try:
        import mutagen
    except ImportError as error:
        raise WhichdanceError("groups by tags need mutagen: pip install 'whichdance[tags]'") from error
    try:
        file = mutagen.File(path, easy=True)
        tags = file.tags if file is not None and file.tags is not None else {}
        found = {name: _tag(tags, (name, frame)) for name, frame in ID3.items()}
    except Exception:  # mutagen's own, and what its parsers throw at damaged files
        return dict.fromkeys(ID3, "")
    return found


def _tag(tags: Mapping[str, Any], keys: Sequence[str]) -> str:
    """The first of the keys that the tags have; WAV and AIFF know the frames alone."""
    for key in keys:
        try:
            value = tags.get(key)
        except (KeyError, ValueError):  # a kind of tags that cannot have this key
            continue
        if value:
            return str(value[0] if isinstance(value, list) else value)
    return ""
