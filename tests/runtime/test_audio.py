import base64
import errno
import io
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import soundfile

import runtime
from runtime import AudioError, Classifier, LiveClassifier, ParameterError, scratch
from runtime.atomic import locked
from runtime.audio import between, open_audio, read
from runtime.promises import Bytes, mpeg_seconds

needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not on PATH")


def stereo(n_samples=44_100, channels=2):
    return np.random.default_rng(0).uniform(-0.5, 0.5, (n_samples, channels))


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
def test_integer_and_float(tmp_path, subtype):
    samples = stereo()
    soundfile.write(tmp_path / "a.wav", samples, 44_100, subtype)
    decoded, rate = read(tmp_path / "a.wav")
    assert rate == 44_100
    assert decoded.dtype == np.float32
    np.testing.assert_allclose(decoded, samples.mean(axis=1), atol=1 / 128 if subtype == "PCM_U8" else 1e-4)


@pytest.mark.parametrize("name", ["a.flac", "a.ogg", "a.mp3", "a.aiff", "a.au"])
def test_formats_of_libsndfile(tmp_path, name):
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(44_100) / 44_100)
    soundfile.write(tmp_path / name, tone, 44_100)
    decoded, rate = read(tmp_path / name)
    assert rate == 44_100
    assert abs(len(decoded) - 44_100) < 3_000  # MP3 pads
    assert np.sqrt(np.mean(decoded**2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.1)


@pytest.mark.parametrize("channels", [1, 2, 6])
def test_channels_are_averaged(tmp_path, channels):
    samples = stereo(channels=channels)
    soundfile.write(tmp_path / "a.wav", samples, 48_000, "FLOAT")
    np.testing.assert_allclose(read(tmp_path / "a.wav")[0], samples.mean(axis=1), atol=1e-6)


def test_blocks_are_the_whole(tmp_path):
    soundfile.write(tmp_path / "a.flac", stereo(100_001), 44_100)
    with open_audio(tmp_path / "a.flac", block_seconds=0.3) as reader:
        blocks = list(reader.blocks())
    assert max(map(len, blocks)) == 13_230
    np.testing.assert_array_equal(np.concatenate(blocks), read(tmp_path / "a.flac")[0])


@needs_ffmpeg
@pytest.mark.parametrize("name", ["a.m4a", "a.mp4", "a.mkv"])
def test_formats_of_ffmpeg(tmp_path, name):
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(48_000) / 48_000)
    soundfile.write(tmp_path / "a.wav", np.stack([tone, tone], axis=1), 48_000)
    command = ["ffmpeg", "-v", "error", "-i", tmp_path / "a.wav", "-c:a", "aac", tmp_path / name]
    subprocess.run(command, check=True)
    decoded, rate = read(tmp_path / name)
    assert rate == 48_000
    assert abs(len(decoded) - 48_000) < 4_096
    assert np.sqrt(np.mean(decoded**2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.1)


@needs_ffmpeg
def test_stopping_early_ends_ffmpeg(tmp_path):
    """A long file of which only one block is wanted leaves no process and no warning behind."""
    soundfile.write(tmp_path / "a.wav", stereo(2_000_000), 44_100)
    command = ["ffmpeg", "-v", "error", "-i", tmp_path / "a.wav", "-c:a", "aac", tmp_path / "a.m4a"]
    subprocess.run(command, check=True)
    with open_audio(tmp_path / "a.m4a", block_seconds=0.1) as reader:
        assert len(next(reader.blocks())) == 4_410


def test_without_ffmpeg_the_error_says_so(tmp_path, monkeypatch):
    (tmp_path / "a.m4a").write_bytes(b"not audio at all")
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(AudioError, match=r"a\.m4a: .*install ffmpeg"):
        read(tmp_path / "a.m4a")


@needs_ffmpeg
def test_no_audio_at_all(tmp_path):
    (tmp_path / "a.mp3").write_bytes(b"certainly not audio" * 100)
    with pytest.raises(AudioError, match=r"a\.mp3: not a recording"):
        read(tmp_path / "a.mp3")


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_position_of_a_sample_that_is_not_finite(tmp_path, bad):
    samples = stereo()
    samples[22_050, 1] = bad
    soundfile.write(tmp_path / "a.wav", samples, 44_100, "FLOAT")
    with pytest.raises(AudioError, match=r"a\.wav: the sample at 0\.500 s \(number 22050\)"):
        read(tmp_path / "a.wav")


@pytest.mark.parametrize("rate", [7_999, 192_001])
def test_rates_out_of_range(tmp_path, monkeypatch, rate):
    soundfile.write(tmp_path / "a.wav", stereo(1_000), rate)
    monkeypatch.setattr(shutil, "which", lambda _: None)  # with ffmpeg the higher one is resampled
    with pytest.raises(AudioError, match=rf"a\.wav: its sampling rate of {rate} Hz"):
        read(tmp_path / "a.wav")


def test_missing_empty_and_folder(tmp_path):
    (tmp_path / "empty.wav").touch()
    for path, reason in [
        ("none.wav", "no such file"),
        ("empty.wav", "the file is empty"),
        ("", "is a folder"),
    ]:
        with pytest.raises(AudioError, match=reason):
            read(tmp_path / path)


# Files as recorders, broken copies and other programs make them. 24 s of music, ours.

EXAMPLE = "examples/rumba.ogg"
SECONDS = 24.0


def ffmpeg(*arguments, output=None):
    command = ["ffmpeg", "-nostdin", "-v", "error", "-y", "-i", EXAMPLE, *map(str, arguments)]
    done = subprocess.run(command, check=True, capture_output=True)
    if output is not None:
        output.write_bytes(done.stdout)


def heard(path):
    """Seconds and warnings."""
    with open_audio(path) as reader:
        return sum(map(len, reader.blocks())) / reader.sample_rate, reader.warnings


def with_wav_size(source, target, size):
    data = bytearray(source.read_bytes())
    place = data.index(b"data")
    data[place + 4 : place + 8] = struct.pack("<I", size)
    target.write_bytes(data)


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    """A folder of odd files that hold all of the music."""
    folder = tmp_path_factory.mktemp("odd")
    ffmpeg(folder / "plain.wav")
    ffmpeg("-f", "flac", "-", output=folder / "unknown length.flac")
    ffmpeg("-write_xing", "0", "-b:a", "64k", folder / "no header.mp3")
    ffmpeg("-b:a", "64k", folder / "plain.mp3")
    ffmpeg("-f", "adts", "-b:a", "128k", folder / "aac named.mp3")
    ffmpeg("-f", "mp4", "-c:a", "aac", folder / "m4a named.mp3")
    for name, size in [("size 0", 0), ("size too small", 200_000), ("streamed", 0xFFFFFFFF)]:
        with_wav_size(folder / "plain.wav", folder / f"{name}.wav", size)
    mp3 = bytearray((folder / "plain.mp3").read_bytes())
    place = mp3.index(b"Info") if b"Info" in mp3 else mp3.index(b"Xing")
    frames = struct.unpack(">I", mp3[place + 8 : place + 12])[0]
    mp3[place + 8 : place + 12] = struct.pack(">I", frames // 3)
    (folder / "false header.mp3").write_bytes(mp3)
    return folder


@needs_ffmpeg
@pytest.mark.parametrize(
    "name",
    [
        *["unknown length.flac", "no header.mp3", "plain.mp3", "aac named.mp3", "m4a named.mp3"],
        *["size 0.wav", "size too small.wav", "streamed.wav", "false header.mp3", "plain.wav"],
    ],
)
def test_all_of_an_odd_file_is_heard(odd, name):
    seconds, warnings = heard(odd / name)
    assert seconds == pytest.approx(SECONDS, abs=0.1)
    assert warnings == []


@needs_ffmpeg
def test_length_by_frames_is_that_of_ffprobe(odd):
    for name in ("plain.mp3", "no header.mp3", "false header.mp3"):
        command = ["ffprobe", "-v", "error", "-count_packets", "-show_entries", "stream=nb_read_packets"]
        command += ["-of", "csv=p=0", odd / name]
        packets = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        # 576 samples a packet at 22 050 Hz; the frame with the VBR header holds no sound but counts here
        with (odd / name).open("rb") as file:
            assert mpeg_seconds(Bytes(file)) == pytest.approx(packets * 576 / 22_050, abs=0.06)


@needs_ffmpeg
def test_ogg_files_end_to_end_are_both_heard(tmp_path):
    data = Path(EXAMPLE).read_bytes()
    (tmp_path / "two.ogg").write_bytes(data + data)
    assert heard(tmp_path / "two.ogg") == (pytest.approx(2 * SECONDS, abs=0.2), [])


@needs_ffmpeg
def test_rubbish_within_an_mp3_is_skipped(odd, tmp_path):
    data = (odd / "plain.mp3").read_bytes()
    half = len(data) // 2
    (tmp_path / "a.mp3").write_bytes(data[:half] + b"rubbish!" * 4000 + data[half:])
    assert heard(tmp_path / "a.mp3")[0] == pytest.approx(SECONDS, abs=0.5)


@needs_ffmpeg
@pytest.mark.parametrize(
    ("name", "options", "share"),
    [
        ("a.flac", [], 0.5),
        ("a.wav", [], 0.25),
        ("a.mp3", ["-q:a", "4"], 1 / 3),
        ("a.m4a", ["-c:a", "aac", "-movflags", "faststart"], 0.5),
        ("a.mka", ["-c:a", "libvorbis"], 0.5),
    ],
)
def test_what_a_broken_copy_lost_is_said(tmp_path, name, options, share):
    soundfile.write(tmp_path / "whole.wav", stereo(20 * 44_100), 44_100)
    subprocess.run(
        ["ffmpeg", "-v", "error", "-i", tmp_path / "whole.wav", *options, tmp_path / name], check=True
    )
    data = (tmp_path / name).read_bytes()
    with open_audio(tmp_path / name) as reader:
        assert sum(map(len, reader.blocks())) / 44_100 == pytest.approx(20, abs=0.1)
        assert reader.warnings == []
    (tmp_path / name).write_bytes(data[: int(share * len(data))])
    with open_audio(tmp_path / name) as reader:
        seconds = sum(map(len, reader.blocks())) / 44_100
    assert seconds == pytest.approx(20 * share, abs=0.5)
    (warning,) = reader.warnings
    lost, promised = map(
        float, re.fullmatch(r"damaged: (\S+) s of (\S+) s could not be heard", warning).groups()
    )
    assert lost == pytest.approx(20 - seconds, abs=0.1)
    assert promised == pytest.approx(20, abs=0.1)


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
@pytest.mark.parametrize("share", [0.3, 0.8])
def test_a_cut_ogg_is_said(tmp_path, subtype, share):
    soundfile.write(tmp_path / "a.ogg", stereo(20 * 48_000), 48_000, format="OGG", subtype=subtype)
    assert heard(tmp_path / "a.ogg") == (pytest.approx(20, abs=0.1), [])
    data = (tmp_path / "a.ogg").read_bytes()
    (tmp_path / "a.ogg").write_bytes(data[: int(share * len(data))])
    seconds, (warning,) = heard(tmp_path / "a.ogg")
    assert seconds == pytest.approx(20 * share, abs=1.5)
    assert warning.startswith(f"cut off after {seconds:.1f} s"), warning


def test_warnings_reach_the_prediction(tmp_path, tiny_model, tone):
    soundfile.write(tmp_path / "whole.flac", tone("samba", 20.0, 44_100), 44_100)
    data = (tmp_path / "whole.flac").read_bytes()
    (tmp_path / "part.flac").write_bytes(data[: len(data) // 2])
    prediction = Classifier(tiny_model).classify(tmp_path / "part.flac")
    assert prediction.dance == "samba"
    assert "could not be heard" in prediction.warnings[0]
    assert prediction.duration < 15


def test_channels_in_antiphase_are_heard(tmp_path):
    samples = stereo(channels=1)[:, 0]
    soundfile.write(tmp_path / "a.wav", np.stack([samples, -samples], axis=1), 44_100, "FLOAT")
    np.testing.assert_allclose(np.abs(read(tmp_path / "a.wav")[0]), np.abs(samples), atol=1e-6)
    six = np.stack([samples, -samples, 0 * samples, 0 * samples, samples / 2, -samples / 2], axis=1)
    soundfile.write(tmp_path / "b.wav", six, 44_100, "FLOAT")
    np.testing.assert_allclose(np.abs(read(tmp_path / "b.wav")[0]), np.abs(samples), atol=1e-6)


@pytest.mark.parametrize("value", [1e25, -1e25, 1e13])
def test_absurd_samples_are_named(tmp_path, value, tiny_model):
    samples = stereo()
    samples[100, 1] = value
    soundfile.write(tmp_path / "a.wav", samples, 44_100, "DOUBLE")
    with pytest.raises(AudioError, match=r"\(number 100\) is not a finite number"):
        read(tmp_path / "a.wav")
    live = LiveClassifier(22_050, model=tiny_model)
    live.push(np.zeros(1000))
    assert live.push([0, 0, 0, value]) is None  # a gap
    assert live.push(stereo(22_050 * 7, 1)[:, 0]).scores["tango"] >= 0  # not poisoned


def test_integers_written_as_floats_are_heard(tmp_path):
    """Some programs write PCM values, up to 2^31, into float files."""
    soundfile.write(tmp_path / "a.wav", stereo() * 2**31, 44_100, "FLOAT")
    assert np.isfinite(runtime.mel.melspectrogram(read(tmp_path / "a.wav")[0])).all()


@needs_ffmpeg
@pytest.mark.parametrize("name", ["x.m4a", "x.mp3", "x.wav", "x.mkv"])
def test_a_playlist_is_no_recording(tmp_path, name):
    """52 bytes that once made ffmpeg wait for ever."""
    text = "I0VYVE0zVQojRVhULVgtVEFSR0VURFVSQVRJT046MQojRVhUSU5GOjEsCnguYWFjCg=="
    (tmp_path / name).write_bytes(base64.b64decode(text))
    start = time.monotonic()
    with pytest.raises(AudioError, match=f"{name}: not a recording"):
        read(tmp_path / name)
    assert time.monotonic() - start < 20


@needs_ffmpeg
def test_ffmpeg_dies_with_us(odd, tmp_path):
    """Killed without a chance to clean up while ffmpeg waits for its reader."""
    ffmpeg("-stream_loop", "30", "-i", EXAMPLE, "-map", "1:a", "-c:a", "aac", tmp_path / "long.m4a")
    code = (
        "import sys, time\nfrom runtime.audio import open_audio\n"
        "with open_audio(sys.argv[1]) as reader:\n"
        "    next(reader.blocks()); print('go', flush=True); time.sleep(60)\n"
    )
    child = subprocess.Popen([sys.executable, "-c", code, tmp_path / "long.m4a"], stdout=subprocess.PIPE)
    assert child.stdout.readline() == b"go\n"
    child.kill()
    child.wait()
    child.stdout.close()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        found = subprocess.run(["pgrep", "-f", str(tmp_path / "long.m4a")], capture_output=True)
        if found.returncode:
            return
        time.sleep(0.1)
    pytest.fail("ffmpeg outlived its parent")


def test_a_silent_ffmpeg_is_ended(tmp_path, monkeypatch):
    (tmp_path / "ffmpeg").write_text("#!/bin/sh\nsleep 60\n")
    (tmp_path / "ffmpeg").chmod(0o755)
    (tmp_path / "a.m4a").write_bytes(b"anything")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(runtime.ffmpeg, "STALL_SECONDS", 0.3)
    start = time.monotonic()
    with pytest.raises(AudioError, match=r"a\.m4a: ffmpeg gave no sound for 0\.3 s"):
        read(tmp_path / "a.m4a")
    assert time.monotonic() - start < 20  # the `sleep` that the script started ends with it


def test_many_channels_are_refused_before_they_take_memory(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros((100, 255)), 44_100)
    with pytest.raises(AudioError, match="255 channels; at most 32"):
        read(tmp_path / "a.wav")


def test_blocks_are_bounded_in_bytes(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros((2_000_000, 32), np.int16), 192_000)
    with open_audio(tmp_path / "a.wav") as reader:
        assert max(map(len, reader.blocks())) * 32 * 4 <= 16 << 20


def test_devices_are_refused():
    with pytest.raises(AudioError, match="neither a file nor a pipe"):
        read("/dev/zero")


# What can be read only once.


def feed(path, data, *, endless=False, pause=0.0):
    """A thread that writes into a named pipe, piece by piece; without end again and again the second half."""

    def write():
        with suppress(BrokenPipeError), open(path, "wb", buffering=0) as pipe:
            for place in range(0, len(data), 50_000):
                pipe.write(data[place : place + 50_000])
                time.sleep(pause)
            while endless:
                pipe.write(data[len(data) // 2 :])

    thread = threading.Thread(target=write)
    thread.start()
    return thread


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
def test_a_named_pipe_is_heard_like_a_file(tmp_path, suffix):
    soundfile.write(tmp_path / f"a.{suffix}", stereo(300_000), 44_100)
    os.mkfifo(tmp_path / "pipe")
    thread = feed(tmp_path / "pipe", (tmp_path / f"a.{suffix}").read_bytes())
    heard_once, rate = read(tmp_path / "pipe")
    thread.join()
    assert rate == 44_100
    np.testing.assert_array_equal(heard_once, read(tmp_path / f"a.{suffix}")[0])


def test_a_pipe_without_end_is_heard_to_where_it_is_wanted(tmp_path, tiny_model, tone):
    samples = np.concatenate([tone("samba", 10.0, 44_100), tone("jive", 60.0, 44_100)])
    soundfile.write(tmp_path / "a.wav", samples, 44_100)
    os.mkfifo(tmp_path / "pipe")
    data = (tmp_path / "a.wav").read_bytes()
    data = data[:40] + b"\xff\xff\xff\xff" + data[44:]  # as whoever streams a WAV file writes its size
    thread = feed(tmp_path / "pipe", data, endless=True)
    prediction = Classifier(tiny_model, excerpt=(0, 9)).classify(tmp_path / "pipe")
    thread.join()
    assert prediction.dance == "samba"
    assert prediction.duration == pytest.approx(9)
    assert prediction.length is None


def test_a_stream_that_has_nothing_yet_is_waited_for(tmp_path):
    """Of a pipe that does not block, reading gives None; the recording is not over then."""
    soundfile.write(tmp_path / "a.wav", stereo(300_000), 44_100)
    ours, theirs = os.pipe()
    os.set_blocking(ours, False)
    data = (tmp_path / "a.wav").read_bytes()
    thread = feed(theirs, data, pause=0.01)
    with open(ours, "rb", buffering=0) as pipe:
        samples, _ = read(pipe)
    thread.join()
    np.testing.assert_array_equal(samples, read(tmp_path / "a.wav")[0])


def test_what_a_dead_run_left_is_removed(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for name in ("old", "young", "in use"):
        (tmp_path / f"{scratch.PREFIX}{name}").mkdir()
        (tmp_path / f"{scratch.PREFIX}{name}" / "recording").touch()
        if name != "young":
            os.utime(tmp_path / f"{scratch.PREFIX}{name}", (0, 0))
    with locked(tmp_path / f"{scratch.PREFIX}in use"), scratch.scratch_folder() as folder:
        kept = {path.name.removeprefix(scratch.PREFIX) for path in tmp_path.iterdir() if path != folder}
    assert kept == {"young", "in use"}
    assert not folder.exists()


def test_where_there_are_no_locks_nothing_is_swept(tmp_path, monkeypatch):
    """Of an old folder nobody knows then whether it is in use."""

    def flock(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("fcntl.flock", flock)
    old = tmp_path / f"{scratch.PREFIX}old"
    old.mkdir()
    os.utime(old, (0, 0))
    with scratch.scratch_folder() as folder:
        assert folder.exists()
    assert old.exists()
    assert not folder.exists()


def test_midi_sample_dumps_print_nothing(tmp_path, capfd):
    """libsndfile prints to standard output as it opens one; so it must not be given one."""
    dump = bytes([0xF0, 0x7E, 0, 1, 0, 0, 16, 0, 0, 1, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0xF7]) + bytes(2000)
    (tmp_path / "a.wav").write_bytes(dump)
    with pytest.raises(AudioError):
        read(tmp_path / "a.wav")
    assert capfd.readouterr().out == ""


def test_content_instead_of_a_path(tmp_path, tiny_model, tone):
    soundfile.write(tmp_path / "a.wav", tone("tango"), 22_050)
    data = (tmp_path / "a.wav").read_bytes()
    classifier = Classifier(tiny_model)
    expected = classifier.classify(tmp_path / "a.wav")
    assert classifier.classify(data).scores == expected.scores
    assert classifier.classify(io.BytesIO(data)).scores == expected.scores
    with open(tmp_path / "a.wav", "rb") as file:
        assert classifier.classify(file).scores == expected.scores
    with pytest.raises(AudioError, match="binary mode"):
        classifier.classify(io.StringIO("text"))
    with pytest.raises(AudioError, match="the recording: not a"):
        classifier.classify(b"no sound at all")
    read_already = io.BytesIO(data)
    read_already.read()
    for source, words in [
        (read_already, "nothing left to read"),
        (b"", "file is empty"),
        ("", "name given is empty"),
    ]:
        with pytest.raises(AudioError, match=words):
            classifier.classify(source)


@pytest.mark.parametrize("rate", [np.float32(44_100), np.int16(22_050), np.float64(48_000), 44_100.0])
def test_rates_of_any_numeric_type(rate, tiny_model, tone):
    samples = tone("jive", 8.0, int(rate))
    assert Classifier(tiny_model).classify_samples(samples, rate).best == "jive"


@pytest.mark.parametrize("rate", [np.nan, np.inf, 44_100.5, -1])
def test_absurd_rates(rate, tiny_model):
    with pytest.raises(ParameterError, match="sample_rate"):
        Classifier(tiny_model).classify_samples(np.zeros(100_000), rate)


def test_the_axis_of_channels_is_named(tiny_model):
    with pytest.raises(ParameterError, match=r"samples\.mean\(axis=1\)"):
        Classifier(tiny_model).classify_samples(np.zeros((90_000, 2)), 22_050)


@pytest.mark.parametrize("size", [1, 7, 100, 1000])
@pytest.mark.parametrize(("start", "end"), [(0, None), (0, 3), (2.5, 7.5), (4, None), (9, 20), (30, None)])
def test_what_lies_between_two_times(size, start, end):
    samples = np.arange(100, dtype=np.float32)
    blocks = [samples[i : i + size] for i in range(0, 100, size)]
    pieces = list(between(blocks, 10, start, end))
    expected = samples[round(10 * start) : None if end is None else round(10 * end)]
    np.testing.assert_array_equal(np.concatenate([np.empty(0), *pieces]), expected)
