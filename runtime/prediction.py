"""What a recording was taken for: frozen data that the pipeline makes and everybody else reads."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

import numpy as np

from runtime.atomic import FileState, file_state
from runtime.beats import Beats
from runtime.mel import Float32

Verdict = Literal["dance", "two", "none", "not sure", "silence"]
Grade = Literal["could be", "probably", "quite sure"]


@dataclass(frozen=True)
class Part:
    """A stretch of a recording in one dance.

    Attributes
    ----------
    start, end : float
        s.
    dance : str or None
        Its key; None unless `verdict` is 'dance'.
    verdict : str
        'dance'; 'two', where it is `best` or `also`; 'none', where it is none of the model's dances; 'not
        sure'.
    confidence : float
        Probability of what is answered (of `dance`, of both of two, or of the likeliest state), 0 to 1.
    tempo_bpm, tempo_mpm : float or None
        Beats and measures (bars) per minute.
    best : str or None
        The likeliest dance, also where `dance` is None.
    also : tuple of str
        Of 'two' the other dance.
    """

    start: float
    end: float
    dance: str | None
    verdict: Verdict
    confidence: float
    tempo_bpm: float | None = None
    tempo_mpm: float | None = None
    best: str | None = None
    also: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a recording was taken for.

    Attributes
    ----------
    dance : str or None
        Key of the dance, the one that fills most of the music; of music that plays, the one that plays
        now. None unless `verdict` is 'dance'.
    verdict : str
        'dance'; 'two', where `best` and `also` together are sure enough; 'none', where it is none of the
        model's dances; 'not sure'; 'silence', where there is no music at all.
    confidence : float
        Probability of what is answered, 0 to 1: of `best`, of both together where they are two, or of none
        of the dances where that is the verdict.
    best : str
        The likeliest dance, also where `dance` is None.
    also : tuple of str
        Of 'two' the other dance; else empty.
    scores : dict of str to float
        Probability of each of the model's dances in its order, and of none of them ('other') last. They
        sum to one. Of a whole recording they are shares of its time.
    parts : tuple of Part
        In order; one for an ordinary song, several for a medley. Of music that plays: the set list so
        far, whose last part goes on.
    certainty : str or None
        How sure a dance, or two, are: 'could be', 'probably' or 'quite sure'.
    since : float or None
        Of music that plays: where in the recording the current dance began, s.
    live : bool
        True of music that plays, False of a whole recording.
    segment_times : tuple of float
        Start of each segment, s. Of music that plays: of those that came with this update.
    segment_scores : ndarray, shape (n_segments, n_dances + 1), float32
        The network's scores in the order of `scores`.
    segment_seconds : float
        Length of a segment, s.
    duration : float
        Length of what was heard, s: of the recording, or of the excerpt asked for.
    begin : float
        Where in the recording hearing began, s; all other times count from the recording's beginning.
    length : float or None
        Of the whole recording, s; None where an excerpt was heard and the file does not say.
    padded : bool
        True where the recording was shorter than one segment and was repeated to fill it.
    tempo_bpm, tempo_mpm : float or None
        Beats per minute, and measures (bars) per minute, as `dance` is counted. None where `dance` is
        None or the music is too short (4 s) to tell.
    metre : str or None
        Time signature of `dance`.
    warnings : tuple of str
        What of the recording could not be heard, in words.
    beats : Beats or None
        Of a whole recording, where they were asked for; empty where no beat is to be heard.
    """

    dance: str | None
    verdict: Verdict
    confidence: float
    best: str
    scores: dict[str, float]
    segment_times: tuple[float, ...]
    segment_scores: Float32
    segment_seconds: float
    duration: float
    also: tuple[str, ...] = ()
    parts: tuple[Part, ...] = ()
    certainty: Grade | None = None
    since: float | None = None
    live: bool = False
    begin: float = 0.0
    length: float | None = None
    padded: bool = False
    tempo_bpm: float | None = None
    tempo_mpm: float | None = None
    metre: str | None = None
    warnings: tuple[str, ...] = field(default=())
    beats: Beats | None = None

    def within(self, begin: float, length: float | None) -> "Prediction":
        """The same with times that count from the beginning of a recording that was heard from `begin` on."""
        return replace(
            self,
            begin=begin,
            length=length,
            segment_times=tuple(time + begin for time in self.segment_times),
            parts=tuple(replace(part, start=part.start + begin, end=part.end + begin) for part in self.parts),
            beats=self.beats and self.beats.moved(begin),
        )

    def ranked(self, top: int | None = None) -> list[tuple[str, float]]:
        """Keys and scores, the best first, none of the dances ('other') among them; ties in class order."""
        return sorted(self.scores.items(), key=lambda pair: -pair[1])[:top]

    def to_dict(self) -> dict[str, Any]:
        """The same as plain Python objects that `json` accepts."""
        content = {name: value for name, value in vars(self).items() if not name.startswith("segment_")}
        content["segment_seconds"] = self.segment_seconds
        content["scores"] = dict(self.scores)
        content["also"] = list(self.also)
        content["warnings"] = list(self.warnings)
        if content.pop("beats") is not None and self.beats is not None:
            content["beats"] = {"times": list(self.beats.times), "positions": list(self.beats.positions)}
        content["parts"] = [vars(part) | {"also": list(part.also)} for part in self.parts]
        content["segments"] = [
            {"start": t, "end": t + self.segment_seconds, "scores": dict(zip(self.scores, row, strict=True))}
            for t, row in zip(self.segment_times, self.segment_scores.tolist(), strict=True)
        ]
        return content

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "Prediction":
        """What `to_dict` gave, of a whole recording; also after it has been through JSON.

        Raises
        ------
        ValueError, TypeError, KeyError
            If it is something else.
        """
        values = dict(content)
        segments = values.pop("segments")
        beats = values.pop("beats", None)
        names = {field.name for field in fields(cls)}
        return cls(
            **{name: value for name, value in values.items() if name in names}
            | {
                "also": tuple(values["also"]),
                "warnings": tuple(values["warnings"]),
                "beats": None if beats is None else Beats.of(beats["times"], beats["positions"]),
                "parts": tuple(Part(**part | {"also": tuple(part["also"])}) for part in values["parts"]),
                "segment_times": tuple(segment["start"] for segment in segments),
                "segment_scores": np.array(
                    [[segment["scores"][label] for label in values["scores"]] for segment in segments],
                    np.float32,
                ),
                "segment_seconds": values["segment_seconds"],
            }
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Prediction):
            return NotImplemented
        mine, theirs = vars(self) | {"segment_scores": None}, vars(other) | {"segment_scores": None}
        return mine == theirs and np.array_equal(self.segment_scores, other.segment_scores)

    def __hash__(self) -> int:
        return hash((self.dance, self.confidence, self.duration, self.segment_times))


@dataclass(frozen=True)
class Outcome:
    """What became of one recording: a prediction, or the error that stood in its way.

    Attributes
    ----------
    path : str
        As the user gave it, or below the folder that the user gave.
    prediction : Prediction or None
    error : str or None
        One line that names the file.
    state : tuple of int, optional
        Of the file as it was opened (`runtime.atomic.file_state`): whoever does something to a file by its
        name must find it so; None where it is no file.
    """

    path: str
    prediction: Prediction | None = None
    error: str | None = None
    state: FileState | None = None

    @property
    def holds(self) -> bool:
        """Whether the file is still the one that was heard; True of what is none."""
        return self.state is None or file_state(self.path) == self.state

    @property
    def changed(self) -> str:
        """What to say where it does not hold."""
        return f"{self.path}: was changed or replaced after it was heard; nothing is done to it, run again"
