"""Small files of every kind, made anew each time, and files from reports that once did harm."""

import base64
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

SECONDS = 2.5
LIBSNDFILE = {  # name of a file: rate, further arguments
    "a.wav": (8_000, {}),
    "float.wav": (8_000, {"subtype": "FLOAT"}),
    "ulaw.wav": (8_000, {"subtype": "ULAW"}),
    "a.flac": (16_000, {}),
    "a.ogg": (16_000, {}),
    "a.opus": (16_000, {"format": "OGG", "subtype": "OPUS"}),
    "a.mp3": (16_000, {}),
    "a.aiff": (8_000, {}),
    "a.au": (8_000, {}),
    "a.caf": (8_000, {}),
    "a.w64": (8_000, {}),
}
FFMPEG = ("a.m4a", "a.aac", "a.wma", "a.mka", "a.wv", "a.mp2", "a.avi", "a.tta")
MORE_BY_FFMPEG = {  # what decoders differ about: rates, channels, tracks, links
    "8.opus": "-c:a libopus -ar 8000",
    "16.opus": "-c:a libopus -ar 16000",
    "six.opus": "-c:a libopus -ar 24000 -ac 6 -mapping_family 255",
    "vorbis.webm": "-c:a libvorbis -ar 32000",
    "a.ts": "-c:a aac -ar 48000",
    "tracks.mkv": "-map 0:a -map 0:a -c:a aac -disposition:a:0 comment",
    "vbr.mp3": "-q:a 2 -write_xing 0",
    "ima.wav": "-c:a adpcm_ima_wav",
    "a.rf64": "-f wav -rf64 always",
    "a.mov": "-c:a pcm_s16be",
    "a.ac3": "-c:a ac3 -ar 32000",
    "a.mpg": "-c:a mp2 -ar 16000",
    "a.3gp": "-c:a aac",
    "flac.ogg": "-c:a flac",
    "alac.m4a": "-c:a alac -movflags frag_keyframe",
}
COVER = "-f lavfi -i testsrc=d=0.04:s=32x24:r=25 -map 0:a -map 1 -c:v png -disposition:v attached_pic"
PICTURED = ("cover.flac", "cover.m4a", "cover.mp3", "cover.wma")  # with a picture and other people's tags
MUSIC = {*LIBSNDFILE, *FFMPEG, *MORE_BY_FFMPEG}
HEARD = {f"answered rumba, {hundredths / 100:.2f} s" for hundredths in range(240, 281)}  # encoders pad
TAGGED = (
    *PICTURED,
    "flac.ogg",
    "alac.m4a",
    "ima.wav",
    "a.flac",
    "a.ogg",
    "a.opus",
    "a.mp3",
    "a.wav",
    "a.aiff",
    "a.m4a",
    "a.wma",
    "a.wv",
)

# Files that hung or broke the program, or its output, once.
REPORTED = {
    # an HLS playlist: ffmpeg waited for its segments for ever
    "playlist.m4a": base64.b64decode("I0VYVE0zVQojRVhULVgtVEFSR0VURFVSQVRJT046MQojRVhUSU5GOjEsCnguYWFjCg=="),
    "empty.mp3": b"",
    # a MIDI sample dump, of which libsndfile speaks on standard output
    "dump.wav": b"\xf0\x7e\x00\x01" + bytes(13) + b"\xf7" + (b"\xf0\x7e\x00\x02" + bytes(123)) * 20,
    # a streamed WAV: sizes that were never filled in
    "streamed.wav": b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0\1\0\1\0\x40\x1f\0\0\x80\x3e\0\0\2\0\x10\0"
    b"data\xff\xff\xff\xff" + bytes(40_000),
    # 255 channels in few bytes, which took gigabytes
    "channels.wav": b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0\1\0\xff\0\x40\x1f\0\0\x80\x3e\0\0\xfe\x01\x10\0"
    b"data\x00\x80\x01\x00" + bytes(98_304),
}


def recordings(folder: Path, tone: Callable[..., NDArray[np.float32]]) -> dict[str, bytes]:
    """Content of files of all formats, by name; those that need ffmpeg where it is there."""
    for name, (rate, more) in LIBSNDFILE.items():
        soundfile.write(folder / name, tone("rumba", SECONDS, rate), rate, **more)
    if shutil.which("ffmpeg"):
        for name in FFMPEG:
            command = ["ffmpeg", "-v", "error", "-y", "-i", folder / "a.wav", folder / name]
            subprocess.run(command, check=True)
        for name, options in MORE_BY_FFMPEG.items():
            command = ["ffmpeg", "-v", "error", "-y", "-i", folder / "a.wav", *options.split(), folder / name]
            subprocess.run(command, check=True)
        for name in PICTURED:
            others = ["-metadata", "title=S\u00f6ng", "-metadata", "artist=One", "-metadata", "mood=sad"]
            command = ["ffmpeg", "-v", "error", "-y", "-i", folder / "a.wav", *COVER.split(), *others]
            subprocess.run([*command, folder / name], check=True)
        chain = [folder / "16.opus", folder / "a.ogg"]
        (folder / "chain.ogg").write_bytes(b"".join(link.read_bytes() for link in chain))
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def history(folder: Path) -> dict[str, bytes]:
    """A database of the app with some sessions."""
    from mobile_app.core.history import Draft, History
    from mobile_app.core.timeline import Timeline

    kept = History(folder)
    for _ in range(5):
        draft = Draft(
            started=datetime(2026, 5, 1, tzinfo=UTC), timeline=Timeline(("tango", "rumba", "other"))
        )
        draft.timeline.extend([0.0, 1.0], np.full((2, 3), 0.3, np.float32))
        kept.save(draft)
    kept.close()
    return {"history.sqlite": (folder / "history.sqlite").read_bytes()}


def store(folder: Path) -> dict[str, bytes]:
    """A store's table of hashes."""
    from training.data.store import Store

    made = Store(folder)
    made.keep_without_audio({folder / f"{i}.wav": f"{i:064x}" for i in range(50)})
    with sqlite3.connect(folder / "hashes.sqlite") as table:
        table.execute("PRAGMA wal_checkpoint")
    table.close()
    return {"hashes.sqlite": (folder / "hashes.sqlite").read_bytes()}
