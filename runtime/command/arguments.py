"""The command line of `whichdance`: its options, its help, and which of them go together."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from runtime.beat_files import check_suffix
from runtime.command.batch import STDIN
from runtime.command.exits import fraction, moment, whole
from runtime.dances import ALL, GROUPS, TEN
from runtime.errors import ParameterError, WhichdanceError
from runtime.live import LIVE_STRIDE
from runtime.mel import FRAME_RATE
from runtime.segments import DEFAULT_STRIDE, MIN_SECONDS

PROGRAM = "whichdance"
TAG_CONFIDENCE = 0.5  # of an answer by the mean, which may name a dance at any: below it no tags are written

DESCRIPTION = f"""\
Tell which dance music is for: {", ".join(dance.name for dance in TEN[:5])},
{", ".join(dance.name for dance in TEN[5:])},
or one of ten social dances, as salsa (--about lists them all). Everything happens on this computer."""

SHORT_HELP = """\
usage: whichdance FILE|FOLDER ... [options]

  whichdance song.mp3               which dance is it?
  whichdance --parts mix.mp3        a set list of a medley or a DJ's mix
  whichdance music/                 a table of all recordings in a folder
  whichdance --live                 listen to the microphone
  whichdance teach music/           teach it your music, sorted into folders
  whichdance --help                 all options, with examples
"""

EPILOG = f"""\
examples:
  whichdance song.mp3
      the likeliest dances for one recording
  whichdance --top 10 song.mp3
      the scores of ten
  whichdance --parts mix.mp3
      a set list: from when to when, which dance, how fast
  whichdance --cue mix.cue --plot mix.png mix.mp3
      the same for a player, and as a picture
  whichdance --timeline --stride 43 song.mp3
      the scores of segment after segment, one per second
  whichdance --jobs 4 --csv -o answers.csv music/
      a whole collection, on four processes
  whichdance --json music/ | jq -r '.[] | select(.dance == "tango") | .path'
      all tangos in a folder
  whichdance --resume music.answers --playlists lists/ music/
      a collection that takes a night: run it again after a power failure, and it goes on
  whichdance --playlists lists/ music/
      lists/Tango.m3u8, lists/Rumba.m3u8, ...
  whichdance --write-tags --min-confidence 0.7 --dry-run music/
      what would be written into the files; leave out --dry-run to do it
  whichdance --live --log evening.txt
      hold the microphone up at a party and keep the evening's dances; Ctrl-C to stop

recordings:
  WAV, FLAC, Ogg, Opus, MP3, AIFF and whatever else libsndfile reads; M4A, AAC and video files where
  ffmpeg is on PATH. At least {MIN_SECONDS:g} seconds long. Folders are searched recursively by file suffix,
  without hidden files.

exit status:
  0  every recording was answered
  1  a recording, or something else, failed; the reason stands on standard error
  2  the command line is wrong
  130  stopped by Ctrl-C (but 0 for --live, which ends so)

Results go to standard output, everything else to standard error."""

# Destinations of the options that make something of recordings in files; --live has none.
FOR_FILES = (
    *("paths", "parts", "timeline", "json", "csv", "output", "plot", "cue", "from", "to"),
    *("beats", "click"),
    *("jobs", "resume", "playlists", "rekordbox", "write_tags", "overwrite", "dry_run"),
)
FOR_MICROPHONE = ("device", "log")
FOR_NAMED_FILES = ("cue", "click", "playlists", "rekordbox", "write_tags")
FOR_TAGS = ("overwrite", "dry_run")


def make_parser() -> argparse.ArgumentParser:
    """The parser; `check` looks at what it cannot say."""
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        usage=f"{PROGRAM} FILE|FOLDER ... [options]",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        add_help=False,
    )
    parser.add_argument(
        "paths",
        nargs="*",
        metavar="FILE|FOLDER",
        help="recordings, and folders of them; - is standard input",
    )
    _add_output(parser.add_argument_group("what to show"))
    _add_listening(parser.add_argument_group("how to listen"))
    _add_sorting(parser.add_argument_group("sort a collection"))
    _add_microphone(parser.add_argument_group("microphone"))
    _add_expert(parser.add_argument_group("for experts"))
    other = parser.add_argument_group("other")
    other.add_argument("-h", "--help", action="help", help="show this help")
    other.add_argument("--about", action="store_true", help="say what the model is, and hear nothing")
    other.add_argument("--version", action=_Version, help="show the version")
    return parser


def _add_output(group: argparse._ArgumentGroup) -> None:
    details = group.add_mutually_exclusive_group()
    details.add_argument(
        "--parts", action="store_true", help="a set list: the parts of a medley or a DJ's mix, with times"
    )
    details.add_argument("--timeline", action="store_true", help="the scores of each segment of the music")
    formats = group.add_mutually_exclusive_group()
    formats.add_argument(
        "--json", action="store_true", help="a JSON list, one object per recording, with parts and segments"
    )
    formats.add_argument(
        "--csv",
        action="store_const",
        const="plain",
        help="one row per recording; with --parts one per part, with --timeline one per segment",
    )
    formats.add_argument(
        "--csv=excel",
        dest="csv",
        action="store_const",
        const="excel",
        help="the same for Excel: it opens by a double click; --csv=excel-semicolon where lists are "
        "separated by ';' and decimals by ','",
    )
    formats.add_argument(
        "--csv=excel-semicolon",
        dest="csv",
        action="store_const",
        const="excel-semicolon",
        help=argparse.SUPPRESS,
    )
    group.add_argument("-o", "--output", metavar="FILE", help="write the results to FILE instead")
    group.add_argument(
        "--plot",
        metavar="FILE",
        help="draw the scores of one recording over time, and its parts (.png, .svg, .pdf; extra 'plot')",
    )
    group.add_argument(
        "--cue", metavar="FILE", help="write the parts of one recording as a CUE sheet, which players read"
    )
    group.add_argument(
        "--beats",
        metavar="FILE",
        help="write when the beats of one recording are, and which are the ones (.beats, .csv, .json, "
        "or .txt for Audacity's labels)",
    )


def _add_listening(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--model",
        metavar="NAME|FILE",
        help="a shipped model, an .onnx file, or a .whichdance file of `whichdance teach`",
    )
    group.add_argument(
        "--from", type=moment, metavar="TIME", help="hear each recording from here on, as 1:30 or 90 (s)"
    )
    group.add_argument("--to", type=moment, metavar="TIME", help="and no further than this")
    group.add_argument(
        "--dances",
        default=ALL,
        metavar="GROUP|A,B,C",
        help=f"what is danced here: {', '.join(GROUPS)}, or dances; anything else is none of these (default: "
        "all that the model knows)",
    )
    group.add_argument(
        "--nothing-else",
        action="store_true",
        help="and nothing else is played: the answer is always one of them, or 'not sure'",
    )
    group.add_argument(
        "--resume",
        metavar="FILE",
        help="keep every answer in FILE at once, and go on from there where an earlier run was broken off",
    )


def _add_expert(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--jobs", type=whole(1), metavar="N", help="processes that listen, one per core at most (default: 1)"
    )
    group.add_argument(
        "--top", type=whole(1), metavar="N", help="how many dances to show (default: 3; 2 in tables)"
    )
    group.add_argument(
        "--stride",
        type=whole(1),
        metavar="N",
        help=f"frames from one segment to the next; {FRAME_RATE:.0f} are a second "
        f"(default: {DEFAULT_STRIDE}; {LIVE_STRIDE} for --live)",
    )
    group.add_argument(
        "--min-confidence",
        type=fraction,
        metavar="X",
        help="name no dance below this confidence, 0 to 1 (default: what the model was calibrated for)",
    )
    group.add_argument(
        "--aggregation",
        choices=("evidence", "mean"),
        default="evidence",
        help="from segments to answers: evidence, which follows the music from dance to dance, or the "
        "plain mean over all of it (default: evidence)",
    )
    group.add_argument(
        "--threads",
        type=whole(1),
        metavar="N",
        help="threads of the network in each process, one per core at most (default: one per core but one, "
        "which decodes; 1 with --jobs)",
    )
    group.add_argument(
        "--ballroom-only", action="store_const", const="ten", dest="dances", help="the same as --dances ten"
    )
    group.add_argument(
        "--click",
        metavar="FILE.wav",
        help="write one recording with clicks at its beats, to check by ear",
    )
    group.add_argument("--overwrite", action="store_true", help="with --write-tags: replace existing values")


def _add_sorting(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--playlists", metavar="DIR", help="write an M3U8 playlist per dance, and one for 'not sure'"
    )
    group.add_argument(
        "--rekordbox", metavar="FILE", help="write a library for rekordbox (XML): playlists, dances, tempi"
    )
    group.add_argument(
        "--write-tags",
        action="store_true",
        help="write DANCE and BPM into the music files, as BallroomDJ does (extra 'tags')",
    )
    group.add_argument(
        "--dry-run", action="store_true", help="with --write-tags: only say what would be done"
    )


def _add_microphone(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--live", action="store_true", help="listen to the microphone (extra 'mic')")
    group.add_argument(
        "--device",
        metavar="NAME|NUMBER",
        help="with --live: the input device (`python -m sounddevice` lists them)",
    )
    group.add_argument(
        "--log", metavar="FILE", help="with --live: add a line to FILE whenever the dance changes"
    )


class _Version(argparse.Action):
    def __init__(self, option_strings: Sequence[str], dest: str, help: str) -> None:
        super().__init__(option_strings, dest, nargs=0, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> NoReturn:
        from runtime import __version__

        print(f"{PROGRAM} {__version__}")
        parser.exit()


def check(args: argparse.Namespace) -> None:
    """Find mistakes in the combination of options, and what is not installed, before the work begins.

    Raises
    ------
    ParameterError
        If options do not go together.
    WhichdanceError
        If something that they need is missing.
    """
    if args.live:
        if useless := _given(args, FOR_FILES):
            raise ParameterError(f"--live listens to the microphone; it does not go with {useless}")
        return
    if useless := _given(args, FOR_MICROPHONE):
        raise ParameterError(f"{useless} goes with --live")
    if not args.write_tags and (useless := _given(args, FOR_TAGS)):
        raise ParameterError(f"{useless} goes with --write-tags")
    if not args.paths:
        raise ParameterError("no recordings given; name files or folders")
    if STDIN in args.paths and (useless := _given(args, FOR_NAMED_FILES)):
        raise ParameterError(f"{useless} needs the name of a file; standard input has none")
    targets = [target for target in _targets(args) if target is not None]
    if len({os.path.realpath(target) for target in targets}) < len(targets):
        raise ParameterError(
            "-o, --plot, --cue, --beats, --click, --resume and --rekordbox would write the same file; "
            "name one for each"
        )
    for target in targets:
        if not Path(target).absolute().parent.is_dir():
            raise WhichdanceError(f"{target}: cannot be written (no such folder)")
        if not os.access(Path(target).absolute().parent, os.W_OK):
            raise WhichdanceError(f"{target}: cannot be written (the folder's permissions)")
    if args.plot:
        from runtime.command.plot import check_plot_path

        check_plot_path(args.plot)
    if args.beats:
        check_suffix(args.beats)
    if args.click:
        from runtime.command.beats import check_click_path

        check_click_path(args.click)
    if args.write_tags:
        from runtime.command.tags import check_mutagen

        check_mutagen()


def _targets(args: argparse.Namespace) -> tuple[str | None, ...]:
    """Files to be written."""
    return args.output, args.plot, args.cue, args.beats, args.click, args.resume, args.rekordbox


def _given(args: argparse.Namespace, names: Sequence[str]) -> str | None:
    """The first of these that was given, as the user wrote it."""
    for name in names:
        if getattr(args, name) not in (None, False, []):
            return "recordings" if name == "paths" else f"--{name.replace('_', '-')}"
    return None


def check_recordings(args: argparse.Namespace, recordings: Sequence[str]) -> None:
    """The same with the recordings that were found: none may be overwritten, some options take only one."""
    for target in _targets(args):
        if target is None or not os.path.exists(target):
            continue
        if any(os.path.exists(path) and os.path.samefile(target, path) for path in recordings):
            raise ParameterError(f"{target}: is a recording to listen to; it would be overwritten")
    for option in ("plot", "cue", "beats", "click"):
        if getattr(args, option) and len(recordings) != 1:
            raise ParameterError(f"--{option} takes one recording, these are {len(recordings)}")
