"""Other people's ID3 tags: every frame that is not ours is byte for byte what it was, of every version."""

import io
import struct
import subprocess

import mutagen
import pytest
import soundfile
from mutagen.id3 import APIC, ID3, PRIV, RVA2, TALB, TBPM, TIT2, TMOO, TPE1, TRDA, TSOP, TXXX, USLT

from runtime.command import tags
from runtime.command.tagging import id3
from runtime.errors import WhichdanceError

VALUES = {"DANCE": "Cha Cha", "BPM": "124"}


@pytest.fixture
def sound_bytes(tmp_path, tone):
    soundfile.write(tmp_path / "sound.mp3", tone("rumba", 3.0, 44_100), 44_100)
    data = (tmp_path / "sound.mp3").read_bytes()
    return data[id3.parsed(data).size :]


def frames_of(data):
    """Frames by (name, content), read as simply as can be: of v2.3 and v2.4 without unsynchronisation."""
    version, size = data[3], int.from_bytes(data[6:10])
    size = (size >> 24 << 21) | (size >> 16 & 127) << 14 | (size >> 8 & 127) << 7 | size & 127
    stream = io.BytesIO(data[10 : 10 + size])
    found = []
    while (name := stream.read(3 if version == 2 else 4)) and name[0]:
        length = stream.read(3 if version == 2 else 4)
        n = int.from_bytes(length)
        if version == 4:
            n = sum(byte << 7 * (3 - i) for i, byte in enumerate(length))
        flags = stream.read(0 if version == 2 else 2)
        found.append((name, flags, stream.read(n)))
    return found


def v22(*frames):
    body = b"".join(name + len(content).to_bytes(3) + content for name, content in frames)
    return b"ID3\2\0\0\0\0" + bytes([len(body) >> 7, len(body) & 127]) + body


def with_mutagen(version, sound, *frames):
    made = ID3()
    for frame in frames:
        made.add(frame)
    stream = io.BytesIO(sound)
    made.save(stream, v2_version=version, v23_sep=None)
    return stream.getvalue()


RICH = (
    TIT2(encoding=3, text="Söng"),
    TPE1(encoding=3, text=["One", "Two"]),
    TSOP(encoding=3, text="One, sorted"),
    TMOO(encoding=3, text="sad"),
    TRDA(encoding=3, text="July"),
    TXXX(encoding=1, desc="MOOD", text=["a", "b"]),
    PRIV(owner="traktor", data=bytes(range(256))),
    RVA2(desc="album", channel=1, gain=-6, peak=0.5),
    APIC(encoding=0, mime="image/jpeg", type=3, desc="", data=b"\xff\xd8\xff\xe0" * 500),
    USLT(encoding=1, lang="deu", desc="", text="la la"),
)


@pytest.mark.parametrize("version", [3, 4])
@pytest.mark.parametrize("own", [(), (TXXX(encoding=1, desc="Dance", text="?"), TBPM(encoding=0, text="0"))])
def test_every_other_frame_stays(tmp_path, sound_bytes, version, own):
    data = with_mutagen(version, sound_bytes, *RICH)
    data = data[:0] + _with_raw_frames(data, [(b"TSOP", b"\0One"), (b"TMOO", b"\0sad"), (b"TRDA", b"\0July")])
    (tmp_path / "a.mp3").write_bytes(data)
    before = frames_of(data)
    tags.write_tags(tmp_path / "a.mp3", VALUES, overwrite=True)
    after = (tmp_path / "a.mp3").read_bytes()
    assert [frame for frame in frames_of(after) if frame[0] != b"TBPM" and b"DANCE" not in frame[2]] == before
    assert after[3] == version
    assert after.endswith(sound_bytes)
    found = ID3(tmp_path / "a.mp3")
    assert found["TXXX:DANCE"].text == ["Cha Cha"]
    assert found["TBPM"].text == ["124"]
    assert found["TPE1"].text == ["One", "Two"]


def _with_raw_frames(data, frames):
    """Behind the frames that are there, before the padding."""
    tag = id3.parsed(data)
    raw = b"".join(
        name
        + (id3._syncsafe(len(text)) if tag.version == 4 else struct.pack(">I", len(text)))
        + b"\0\0"
        + text
        for name, text in frames
    )
    used = sum(10 + len(content) for _, _, content in frames_of(data))
    body = data[10 : 10 + used] + raw + bytes(100)
    return data[:6] + id3._syncsafe(len(body)) + body + data[tag.size :]


def test_version_2_2_stays_with_frames_that_nobody_knows(tmp_path, sound_bytes):
    others = [
        (b"TT2", b"\0Song"),
        (b"RVA", bytes(12)),
        (b"XYZ", b"\1\2\3"),
        (b"PIC", b"\0JPG\3\0" + b"x" * 999),
    ]
    data = v22(*others, (b"TBP", b"\0000"), (b"TXX", b"\0dance\0Old")) + sound_bytes
    (tmp_path / "a.mp3").write_bytes(data)
    tags.write_tags(tmp_path / "a.mp3", VALUES, overwrite=True)
    after = (tmp_path / "a.mp3").read_bytes()
    assert after[3] == 2
    assert [(name, content) for name, _, content in frames_of(after)] == [
        *others,
        (b"TXX", b"\0DANCE\0Cha Cha"),
        (b"TBP", b"\x00124"),
    ]
    found = ID3(tmp_path / "a.mp3")
    assert (found["TXXX:DANCE"].text, found["TBPM"].text) == (["Cha Cha"], ["124"])


def test_an_old_tag_in_another_alphabet_stays(tmp_path, sound_bytes):
    old = b"TAG" + "Катюша".encode("cp1251").ljust(30, b"\0") + bytes(94) + b"\xff"
    (tmp_path / "a.mp3").write_bytes(with_mutagen(3, sound_bytes, *RICH) + old)
    tags.write_tags(tmp_path / "a.mp3", VALUES)
    assert (tmp_path / "a.mp3").read_bytes()[-128:] == old


def test_sizes_as_itunes_wrote_them_and_unsynchronisation(tmp_path, sound_bytes):
    content = b"\0" + b"T" * 299
    frames = b"TIT2" + struct.pack(">I", 300) + b"\0\0" + content  # in v2.4 this would be 2 * 128 + 44
    data = b"ID3\4\0\0" + id3._syncsafe(len(frames) + 20) + frames + bytes(20)
    assert id3.parsed(data).frames == ((b"TIT2", b"\0\0", content),)
    picture = b"\0image/jpeg\0\3\0\xff\xe0\xff\0" * 9
    body = b"APIC" + struct.pack(">I", len(picture)) + b"\0\0" + picture
    stuffed = body.replace(b"\xff\0", b"\xff\0\0").replace(b"\xff\xe0", b"\xff\0\xe0")
    data = b"ID3\3\0\x80" + id3._syncsafe(len(stuffed)) + stuffed
    (tmp_path / "a.mp3").write_bytes(data + sound_bytes)
    assert id3.parsed(data).frames == ((b"APIC", b"\0\0", picture),)
    tags.write_tags(tmp_path / "a.mp3", VALUES)
    assert ID3(tmp_path / "a.mp3")["APIC:"].data == ID3(io.BytesIO(data))["APIC:"].data


@pytest.mark.parametrize("suffix", ["wav", "aiff"])
def test_tags_in_chunks(tmp_path, tone, suffix):
    path = tmp_path / f"a.{suffix}"
    soundfile.write(path, tone("rumba", 3.0, 44_100), 44_100)
    file = mutagen.File(path)
    file.add_tags()
    for frame in (*RICH[:2], TALB(encoding=0, text="Album")):
        file.tags.add(frame)
    file.save(v2_version=3, v23_sep=None)
    before = ID3.pprint(mutagen.File(path).tags)
    tags.write_tags(path, VALUES)
    after = mutagen.File(path).tags
    assert (after["TXXX:DANCE"].text, after["TBPM"].text, after.version) == (["Cha Cha"], ["124"], (2, 3, 0))
    assert after["TPE1"].text == ["One", "Two"]
    del after["TXXX:DANCE"], after["TBPM"]
    assert ID3.pprint(after) == before


def test_what_is_not_understood_is_refused(tmp_path, sound_bytes):
    data = b"ID3\3\0\0" + id3._syncsafe(40) + b"TIT2\x7f\0\0\0" + bytes(32) + sound_bytes
    (tmp_path / "a.mp3").write_bytes(data)
    with pytest.raises(WhichdanceError, match=r"a\.mp3: its tags cannot be written .its ID3 tag is damaged"):
        tags.write_tags(tmp_path / "a.mp3", VALUES)
    assert (tmp_path / "a.mp3").read_bytes() == data


def made(path, *options):
    command = ["ffmpeg", "-v", "error", "-i", "examples/rumba.ogg", *options, path]
    subprocess.run(command, check=True)
    return path


@pytest.mark.parametrize("name", ["vbr.mp3", "short.mp3", "short.flac", "unpadded.wav"])
def test_odd_files_get_their_tags(tmp_path, name):
    """VBR without a header of its length; a byte less than there should be."""
    vbr = ["-write_xing", "0", "-q:a", "2"] if name == "vbr.mp3" else []
    path = made(tmp_path / name, *vbr)
    if name == "unpadded.wav":  # RIFF asks for a byte behind contents of odd length
        head = struct.pack(
            "<4sI4s4sIHHIIHH", b"RIFF", 44_137, b"WAVE", b"fmt ", 16, 1, 1, 22_050, 22_050, 1, 8
        )
        path.write_bytes(
            head + struct.pack("<4sI", b"data", 44_101) + bytes([128, 140, 128, 116, 128]) * 8821
        )
        path.write_bytes(path.read_bytes()[: 44 + 44_101])
    elif name != "vbr.mp3":
        path.write_bytes(path.read_bytes()[:-1])
    tags.write_tags(path, VALUES)
    assert not any(change.written for change in tags.write_tags(path, VALUES))


@pytest.mark.parametrize("name", ["a.wav", "a.aiff", "a.m4a"])
def test_files_that_are_cut_off_are_refused_for_that(tmp_path, name):
    path = made(tmp_path / name)
    path.write_bytes(path.read_bytes()[:-1])
    before = path.read_bytes()
    with pytest.raises(WhichdanceError, match=r"a\.\w+: .*ffmpeg -i OLD -c copy NEW mends that"):
        tags.write_tags(path, VALUES)
    assert path.read_bytes() == before
