"""Every decoder has the clock of the file: rates and lengths against ffprobe, and the same dance everywhere.

The music is a tone whose dance `tiny_model` tells by its frequency: at a wrong rate it is another dance.
"""

import json
import os
import shutil
import struct
import subprocess
import sys
from contextlib import nullcontext, suppress
from tempfile import TemporaryFile

import numpy as np
import pytest
import soundfile

from runtime import AudioError, Classifier, ffmpeg
from runtime.audio import open_audio, read
from runtime.formats import DEMUXERS, FFMPEG_SUFFIXES, SOUNDFILE_SUFFIXES, SUFFIXES, is_searched, is_soundfile

pytestmark = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not on PATH")

SECONDS = 8.0
DANCE = "quickstep"  # 1.2 kHz, which every rate has; at half or twice the rate it is another dance
TOLD = {("opus", 8_000), ("opus", 16_000), ("ogg", 22_050), ("mp3", 24_000), ("m4a", 48_000)}  # also in CI

# suffix and codec: rates that the codec has, and up to how many channels
CODECS = {
    ("opus", "libopus"): ((8_000, 12_000, 16_000, 24_000, 48_000), 8),
    ("ogg", "libvorbis"): ((8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000, 96_000), 6),
    ("ogg", "flac"): ((8_000, 44_100, 96_000), 6),
    ("flac", "flac"): ((8_000, 44_100, 192_000), 8),
    ("mp3", "libmp3lame"): ((8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000), 2),
    ("mp2", "mp2"): ((16_000, 22_050, 24_000, 32_000, 44_100, 48_000), 2),
    ("wav", "pcm_s16le"): ((8_000, 44_100, 192_000), 8),
    ("wav", "adpcm_ima_wav"): ((8_000, 44_100), 2),
    ("wav", "adpcm_ms"): ((8_000, 44_100), 2),
    ("aiff", "pcm_s16be"): ((8_000, 44_100, 192_000), 8),
    ("caf", "pcm_s16le"): ((8_000, 44_100), 2),
    ("au", "pcm_s16be"): ((8_000, 44_100), 2),
    ("w64", "pcm_s16le"): ((8_000, 44_100), 2),
    ("m4a", "aac"): ((8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000), 6),
    ("m4a", "alac"): ((8_000, 44_100, 96_000), 2),
    ("aac", "aac"): ((8_000, 16_000, 44_100, 48_000), 6),
    ("mka", "libopus"): ((8_000, 16_000, 48_000), 6),
    ("webm", "libvorbis"): ((8_000, 22_050, 48_000), 2),
    ("ts", "aac"): ((22_050, 44_100, 48_000), 2),
    ("wma", "wmav2"): ((8_000, 22_050, 44_100), 2),
    ("ac3", "ac3"): ((32_000, 44_100, 48_000), 6),
    ("wv", "wavpack"): ((8_000, 44_100, 96_000), 6),
    ("tta", "tta"): ((8_000, 44_100, 96_000), 2),
}
CASES = [
    pytest.param(
        *(*kind, rate, channels),
        id=f"{kind[0]}-{kind[1]}-{rate}-{channels}",
        marks=[] if (kind[0], rate) in TOLD and channels == 1 else pytest.mark.slow,
    )
    for kind, (rates, most) in CODECS.items()
    for rate in rates
    for channels in sorted({1, min(2, most), *([most] if rate == rates[-1] else [])})
]


def make(wav, target, codec, rate, channels, *more):
    command = ["ffmpeg", "-nostdin", "-v", "error", "-y", "-i", wav, "-ar", rate, "-ac", channels]
    if codec in ("wmav2", "aac", "ac3"):
        more = ("-b:a", "64k" if channels < 3 else "256k", *more)
    subprocess.run([*map(str, command), "-c:a", codec, *more, target], check=True)
    return target


def probed(path):
    command = ["ffprobe", "-v", "error", "-show_streams", "-show_format", "-of", "json", path]
    found = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return int(found["streams"][0]["sample_rate"]), float(found["format"]["duration"])


@pytest.fixture(scope="module")
def tune(tmp_path_factory, tone):
    path = tmp_path_factory.mktemp("tune") / "tune.wav"
    soundfile.write(path, tone(DANCE, SECONDS, 48_000), 48_000)
    return path


@pytest.fixture(scope="module")
def classifier(tiny_model):
    return Classifier(tiny_model)


def assert_heard(path, classifier, seconds=SECONDS, tolerance=0.15):
    with open_audio(path) as reader:
        n_samples = sum(map(len, reader.blocks()))
    assert n_samples / reader.sample_rate == pytest.approx(seconds, abs=tolerance)
    assert reader.warnings == []
    prediction = classifier.classify(path)
    assert prediction.best == DANCE
    assert prediction.duration == pytest.approx(seconds, abs=tolerance)
    return reader.sample_rate


@pytest.mark.parametrize(("suffix", "codec", "rate", "channels"), CASES)
def test_length_and_dance_are_the_file_s(tune, classifier, tmp_path, suffix, codec, rate, channels):
    path = make(tune, tmp_path / f"a.{suffix}", codec, rate, channels)
    heard_at = assert_heard(path, classifier, tolerance=0.15 + 1024 / rate)  # encoders fill their last block
    stated_rate, stated = probed(path)
    assert heard_at == stated_rate
    if suffix not in ("aac", "mp2"):  # of which ffprobe estimates it
        assert stated == pytest.approx(SECONDS, abs=0.25)  # with what the encoder padded


@pytest.mark.parametrize("channels", [1, 2, 3, 6, 8])
def test_opus_of_every_mapping_family(tune, classifier, tmp_path, channels):
    path = make(tune, tmp_path / "a.opus", "libopus", 16_000, channels, "-mapping_family", "255")
    assert_heard(path, classifier)


@pytest.mark.parametrize(
    "links",
    [
        [("libopus", 16_000, 1), ("libopus", 48_000, 2)],
        [("libvorbis", 22_050, 1), ("libopus", 48_000, 2)],
        [("libopus", 16_000, 2), ("libvorbis", 22_050, 1)],
        [("libvorbis", 44_100, 2), ("libvorbis", 22_050, 1), ("flac", 48_000, 2)],
    ],
    ids=lambda links: "+".join(link[0] for link in links),
)
def test_every_link_of_a_chain_is_heard(tune, classifier, tmp_path, links):
    parts = [make(tune, tmp_path / f"{i}.ogg", *link).read_bytes() for i, link in enumerate(links)]
    (tmp_path / "chain.ogg").write_bytes(b"".join(parts))
    assert_heard(tmp_path / "chain.ogg", classifier, seconds=len(links) * SECONDS)


def test_a_damaged_link_does_not_take_the_others_with_it(tune, tmp_path):
    good = make(tune, tmp_path / "a.ogg", "libvorbis", 44_100, 1).read_bytes()
    bad = bytearray(make(tune, tmp_path / "b.ogg", "libopus", 48_000, 1).read_bytes())
    bad[200:] = bytes(len(bad) - 200)
    (tmp_path / "chain.ogg").write_bytes(good + bad + good)
    with open_audio(tmp_path / "chain.ogg") as reader:
        n_samples = sum(map(len, reader.blocks()))
    assert n_samples / reader.sample_rate == pytest.approx(2 * SECONDS, abs=0.2)
    assert reader.warnings


@pytest.mark.parametrize("rate", [352_800, 384_000])
def test_rates_above_those_of_the_front_end(classifier, tmp_path, tone, rate):
    soundfile.write(tmp_path / "a.wav", tone(DANCE, SECONDS, rate), rate)
    assert assert_heard(tmp_path / "a.wav", classifier) in (44_100, 48_000)


def test_dsd_is_heard(classifier, tmp_path, tone):
    """A DSF file by its specification (Sony, 2005), of a tone behind a first-order delta-sigma modulator."""
    rate, seconds = 2_822_400, 6.0
    wave = np.interp(
        np.arange(round(rate * seconds)) / rate,
        np.arange(round(192_000 * seconds)) / 192_000,
        tone(DANCE, seconds, 192_000),
    )
    bits = np.diff(np.floor(np.cumsum((wave + 1) / 2)), prepend=0).astype(np.uint8)
    data = np.packbits(bits, bitorder="little").tobytes()
    data += bytes(-len(data) % 4096)
    form = struct.pack("<4sQIIIIIIQII", b"fmt ", 52, 1, 0, 1, 1, rate, 1, len(bits), 4096, 0)
    body = form + struct.pack("<4sQ", b"data", 12 + len(data)) + data
    (tmp_path / "a.dsf").write_bytes(struct.pack("<4sQQQ", b"DSD ", 28, 28 + len(body), 0) + body)
    assert_heard(tmp_path / "a.dsf", classifier, seconds=seconds)


def test_flac_of_32_bits_says_so_or_is_heard(tmp_path, tune, classifier):
    if shutil.which("flac") is None:
        pytest.skip("flac is not installed")
    make(tune, tmp_path / "a.wav", "pcm_s32le", 44_100, 1)
    subprocess.run(["flac", "--totally-silent", "-o", tmp_path / "a.flac", tmp_path / "a.wav"], check=True)
    refused = pytest.raises(AudioError, match=r"FLAC of more than 24 bits.*convert it to 24 bits")
    with nullcontext() if ffmpeg_decodes(tmp_path / "a.flac") else refused:
        assert_heard(tmp_path / "a.flac", classifier)


def ffmpeg_decodes(path):
    command = ["ffmpeg", "-v", "error", "-i", path, "-f", "s32le", "-"]
    return len(subprocess.run(command, capture_output=True).stdout) > 1000


@pytest.mark.parametrize(
    ("tracks", "chosen"),
    [
        (["silent", "music"], 2),
        (["noise comment", "music"], 2),
        (["music", "noise"], 1),
        (["noise", "silent default", "music default"], 3),
        (["noise visual_impaired", "silent", "music"], 3),
    ],
)
def test_the_track_that_is_heard(tmp_path, tune, classifier, tracks, chosen):
    sources = {
        "music": ["-i", str(tune)],
        "silent": ["-f", "lavfi", "-i", f"anullsrc=r=48000:cl=mono:d={SECONDS}"],
        "noise": ["-f", "lavfi", "-i", f"sine=9000:r=48000:d={SECONDS}"],
    }
    command = ["ffmpeg", "-nostdin", "-v", "error", "-y"]
    maps = []
    for number, track in enumerate(tracks):
        kind, _, flag = track.partition(" ")
        command += sources[kind]
        maps += ["-map", str(number), f"-disposition:a:{number}", flag or "0"]
    subprocess.run([*command, *maps, "-c:a", "aac", tmp_path / "a.mkv"], check=True)
    prediction = classifier.classify(tmp_path / "a.mkv")
    assert prediction.warnings == (f"{len(tracks)} audio tracks; number {chosen} was heard",)
    assert prediction.best == DANCE


@pytest.mark.skipif(not hasattr(os, "pread"), reason="files are read at a place of one's own on POSIX alone")
def test_reading_what_ffmpeg_says_while_it_talks_loses_no_line() -> None:
    """Its position is one for both processes: whoever moves it has the other write over what is there."""
    with TemporaryFile() as log:
        talk = subprocess.Popen([sys.executable, "-uc", "for i in range(3000): print(i)"], stdout=log)
        while talk.poll() is None:
            ffmpeg._said(log)
        log.seek(0)
        assert log.read().split() == [str(i).encode() for i in range(3000)]


def test_stems_are_their_first_track(tmp_path, tune, classifier):
    noise = ["-f", "lavfi", "-i", f"sine=9000:r=44100:d={SECONDS}"]
    command = ["ffmpeg", "-v", "error", "-i", tune, *noise, "-map", "0", "-map", "1", "-c:a", "aac"]
    subprocess.run([*command, tmp_path / "a.stem.mp4"], check=True)
    prediction = classifier.classify(tmp_path / "a.stem.mp4")
    assert (prediction.best, prediction.warnings) == (DANCE, ())


def test_a_film_without_sound(tmp_path):
    command = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc=d=1:s=64x64", "-an"]
    subprocess.run([*command, tmp_path / "a.mp4"], check=True)
    with pytest.raises(AudioError, match=r"a\.mp4: there is no sound in it$"):
        read(tmp_path / "a.mp4")


def test_an_m4a_that_was_not_copied_whole(tmp_path, tune):
    make(tune, tmp_path / "a.m4a", "aac", 44_100, 1)
    (tmp_path / "a.m4a").write_bytes((tmp_path / "a.m4a").read_bytes()[:20_000])
    with pytest.raises(AudioError, match="its end is missing, and with it the table of contents"):
        read(tmp_path / "a.m4a")


# Every suffix that is searched has an answer.

BY_SUFFIX = {  # what ffmpeg needs to be told, where it does not know by the suffix
    "adts": "-f adts", "aifc": "-f aiff", "snd": "-f au", "rf64": "-f wav -rf64 always",
    "amr": "-c:a libopencore_amrnb -ar 8000", "f4v": "-f f4v", "psp": "-f mp4", "isma": "-f ismv",
    "m4r": "-f mp4", "qt": "-f mov", "mj2": "-f mp4", "m2a": "-f mp2", "mpa": "-f mp2",
    "ogx": "-f ogg -c:a flac", "mk3d": "-f matroska", "spx": "-c:a libspeex -ar 16000",
    "ra": "-f rm -c:a ac3", "rm": "-c:a ac3", "dts": "-c:a dca -strict -2", "ec3": "-f eac3",
    "m2t": "-f mpegts", "webm": "-c:a libopus", "avi": "-c:a mp3", "vob": "-c:a ac3", "mpeg": "-c:a mp2",
    "mpg": "-c:a mp2", "flv": "-c:a aac", "3g2": "-c:a aac", "3gp": "-c:a aac", "voc": "-c:a pcm_u8",
    "caf": "-c:a pcm_s16be", "ogv": "-c:a libvorbis", "asf": "-c:a wmav2", "wmv": "-c:a wmav2",
    "m4v": "-f mp4 -c:a aac", "mks": "-f matroska",
}  # fmt: skip
AMIGA = (".svx", ".8svx")
UNWRITTEN = {
    ".xwma",
    ".awb",
    ".ape",
    ".mac",
    ".dff",
    ".mpc",
    ".tak",
    ".dsf",
}  # ffmpeg reads and does not write them


@pytest.mark.slow
@pytest.mark.parametrize("suffix", sorted(SUFFIXES - UNWRITTEN))
def test_every_suffix_that_is_searched_is_answered(tmp_path, tune, classifier, suffix):
    options = BY_SUFFIX.get(suffix[1:], "").split()
    path = tmp_path / f"a{suffix}"
    if suffix in AMIGA:  # which libsndfile writes
        soundfile.write(path, soundfile.read(tune)[0], 48_000, format="SVX")
        return assert_answered(path, classifier)
    done = subprocess.run(
        ["ffmpeg", "-nostdin", "-v", "error", "-i", tune, *options, path], capture_output=True, text=True
    )
    if "Unknown encoder" in done.stderr:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr
    return assert_answered(path, classifier)


def assert_answered(path, classifier):
    assert is_searched(path)
    prediction = classifier.classify(path)
    assert prediction.duration == pytest.approx(SECONDS, abs=0.3)
    assert prediction.best == DANCE


def test_what_libsndfile_answers_is_searched(tmp_path):
    """Of all that it writes, what it is trusted to read."""
    for name in soundfile.available_formats():
        with suppress(ValueError, soundfile.SoundFileError, TypeError):
            soundfile.write(tmp_path / "a", np.zeros(8000), 8000, format=name)
            if is_soundfile(tmp_path / "a"):
                assert {".wavex": ".wav"}.get(f".{name.lower()}", f".{name.lower()}") in SOUNDFILE_SUFFIXES


def test_what_ffmpeg_only_reads_has_its_demuxer():
    listed = subprocess.run(["ffmpeg", "-hide_banner", "-demuxers"], capture_output=True, text=True).stdout
    known = {line.split()[1] for line in listed.splitlines() if line.startswith(" D")}
    for demuxer in ("xwma", "amrwb", "ape", "iff", "mpc", "mpc8", "tak", "dsf"):
        assert demuxer in known
        assert demuxer in DEMUXERS.split(",")
    assert UNWRITTEN <= FFMPEG_SUFFIXES
    assert not SOUNDFILE_SUFFIXES & FFMPEG_SUFFIXES


def test_program_text_with_the_suffix_of_a_transport_stream_is_not_searched(tmp_path, tune):
    (tmp_path / "code.ts").write_text("export const GAP = 3;\n" * 100)
    make(tune, tmp_path / "film.ts", "aac", 44_100, 2)
    assert [is_searched(tmp_path / name) for name in ("code.ts", "film.ts", "no.ts")] == [False, True, False]
