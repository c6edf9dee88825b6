"""Which files are recordings: what folders are searched for, and what each of them is decoded by.

One table, so that whatever is searched is answered, and whatever is answered is searched.
"""

import os
from pathlib import Path

# What libsndfile decodes.
_SOUNDFILE = "wav flac ogg oga opus mp3 aif aiff aifc au snd caf w64 rf64 svx 8svx"

# What ffmpeg decodes: its demuxers, and the suffixes of their files. Files are read by these demuxers only:
# others play lists of files, or network addresses, and no recording needs them.
_FFMPEG = {
    "aac": "aac adts",
    "ac3": "ac3",
    "aiff": "",  # as libsndfile does, where that gives up
    "amr": "amr",
    "amrnb": "",
    "amrwb": "awb",
    "ape": "ape mac",
    "asf": "asf wma wmv",
    "asf_o": "",
    "au": "",
    "avi": "avi",
    "caf": "",
    "dsf": "dsf",
    "dts": "dts",
    "eac3": "eac3 ec3",
    "flac": "",
    "flv": "flv",
    "iff": "dff",
    "matroska,webm": "mka mks mkv mk3d webm",
    "mov,mp4,m4a,3gp,3g2,mj2": "3g2 3gp f4v ismv isma m4a m4b m4r m4v mj2 mov mp4 psp qt",
    "mp3": "m2a mp2 mpa",
    "mpc": "mpc",
    "mpc8": "",
    "mpeg": "mpeg mpg vob",
    "mpegts": "ts mts m2ts m2t",
    "ogg": "ogv ogx spx",
    "rm": "ra rm",
    "tak": "tak",
    "tta": "tta",
    "voc": "voc",
    "w64": "",
    "wav": "",
    "wv": "wv",
    "xwma": "xwma",
}


def _suffixes(names: str) -> frozenset[str]:
    return frozenset(f".{name}" for name in names.split())


SOUNDFILE_SUFFIXES = _suffixes(_SOUNDFILE)
FFMPEG_SUFFIXES = _suffixes(" ".join(_FFMPEG.values()))
SUFFIXES = SOUNDFILE_SUFFIXES | FFMPEG_SUFFIXES

# ffmpeg knows a demuxer of several formats by its whole name, and lists are separated by commas.
DEMUXERS = ",".join(
    name for names in _FFMPEG for name in dict.fromkeys([*names.split(","), names.replace(",", "\\,")])
)

# How files begin that libsndfile may be trusted with: others it may take for formats that nobody means.
_MAGIC = (b"RIFF", b"RIFX", b"RF64", b"FORM", b"fLaC", b"OggS", b"ID3", b".snd", b"dns.", b"caff", b"riff")

_TS_PACKET = 188  # bytes; each begins with 'G'
_TS_SUFFIX = ".ts"  # also of program text, in TypeScript, and of translations by Qt


def is_searched(path: str | os.PathLike[str]) -> bool:
    """Whether a file that is found in a folder is taken for a recording: by its suffix."""
    suffix = os.path.splitext(path)[1].lower()
    if suffix != _TS_SUFFIX:
        return suffix in SUFFIXES
    try:
        with open(path, "rb") as file:
            start = file.read(_TS_PACKET + 1)
    except OSError:
        return False
    return len(start) > _TS_PACKET and start[0] == start[_TS_PACKET] == ord("G")


def is_soundfile(path: Path) -> bool:
    """Whether libsndfile is to try a file, by its first bytes."""
    with path.open("rb") as file:
        start = file.read(4)
    mpeg = len(start) > 1 and start[0] == 0xFF and start[1] & 0xE0 == 0xE0
    return start.startswith(_MAGIC) or mpeg or path.suffix.lower() == ".mp3"
