"""Other people's tags in every kind of file but MP3: all that is not ours stays byte for byte.

The files are odd on purpose: texts that are not UTF-8, fields without a name, types that nobody knows. They
are read here as raw bytes, by ffprobe and by ffmpeg's hashes of streams, not by the code that writes.
"""

import json
import re
import shutil
import struct
import subprocess

import mutagen
import pytest
from mutagen.mp4 import MP4, MP4FreeForm
from mutagen.ogg import OggPage

from runtime.command import tags
from runtime.command.tagging import ape, asf, chunks, mp4, vorbis
from runtime.errors import WhichdanceError

VALUES = {"DANCE": "Cha Cha", "BPM": "124"}
pytestmark = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not on PATH")


def made(path, *options, cover=False):
    """Three seconds of music with tags, and if wanted with a picture."""
    command = ["ffmpeg", "-nostdin", "-v", "error", "-y", "-t", "3", "-i", "examples/rumba.ogg"]
    if cover:
        command += ["-f", "lavfi", "-i", "testsrc=d=0.04:s=64x48:r=25", "-map", "0:a", "-map", "1"]
        command += ["-c:v", "png", "-disposition:v", "attached_pic"]
    tags_ = ["-metadata", "title=Söng", "-metadata", "artist=One", "-metadata", "album=Two"]
    subprocess.run([*command, *tags_, *options, path], check=True)
    return path


def probed(path):
    """All tags of file and streams but ours, by ffprobe."""
    command = ["ffprobe", "-v", "error", "-show_entries", "format_tags:stream_tags", "-of", "json", path]
    found = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    sets = [found["format"].get("tags", {}), *(stream.get("tags", {}) for stream in found["streams"])]
    ours = ("dance", "bpm", "tbpm", "wm/beatsperminute")
    return [{name: text for name, text in tags_.items() if name.lower() not in ours} for tags_ in sets]


def streams(path):
    """ffmpeg's hash of the undecoded packets of each stream, pictures included."""
    command = ["ffmpeg", "-v", "error", "-i", path, "-map", "0", "-c", "copy", "-f", "streamhash", "-"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def assert_only_ours_changed(path, others):
    """`others` reads what may not change, as bytes."""
    before = others(path.read_bytes()), probed(path), streams(path)
    for values in (VALUES, {"DANCE": "Waltz with a longer name" * 90, "BPM": "90"}, VALUES):
        tags.write_tags(path, values, overwrite=True)
        assert (others(path.read_bytes()), probed(path), streams(path)) == before
        assert not any(change.written for change in tags.write_tags(path, values, overwrite=True))


# FLAC and Ogg.

ODD = [
    b"TITLE=S\xf6ng",
    b"no name",
    b"ARTIST=One",
    b"artist=Two",
    b"=empty",
    b"COMMENT=\xff\xfe",
    b"K\xc3\xa4=x",
]
VENDOR = b"vendor \xe4 1.0"


def comments(vendor, items):
    texts = [struct.pack("<I", len(text)) + text for text in (vendor, *items)]
    return texts[0] + struct.pack("<I", len(items)) + b"".join(texts[1:])


def without_ours(data):
    """Vendor and items of a list of comments that begins here, but for DANCE and BPM; what follows it."""
    texts, place = [], 0
    n = 1
    while len(texts) <= n:
        size = int.from_bytes(data[place : place + 4], "little")
        texts.append(data[place + 4 : place + 4 + size])
        place += 4 + size
        if len(texts) == 1:
            n = int.from_bytes(data[place : place + 4], "little")
            place += 4
    return [text for text in texts if not re.match(rb"(?i)(dance|bpm)=", text)], data[place:]


def flac_blocks(data):
    """(type, content) of all blocks but padding, and the sound."""
    place, found, last = data.index(b"fLaC") + 4, [], False
    while not last:
        last, kind = bool(data[place] & 128), data[place] & 127
        size = int.from_bytes(data[place + 1 : place + 4])
        found.append((kind, data[place + 4 : place + 4 + size]))
        place += 4 + size
    return found, data[:place], data[place:]


def flac_others(data):
    blocks, _, sound = flac_blocks(data)
    kept = [(kind, without_ours(content) if kind == 4 else content) for kind, content in blocks if kind != 1]
    return data[: data.index(b"fLaC")], kept, sound


@pytest.mark.parametrize("front", [b"", b"ID3\3\0\0\0\0\0\x10" + bytes(16)])
def test_flac(tmp_path, front):
    """Blocks that nobody knows, pictures whose texts are not UTF-8, comments that come twice."""
    path = made(tmp_path / "a.flac", cover=True)
    blocks, _, sound = flac_blocks(path.read_bytes())
    pictures = [block for block in blocks if block[0] == 6]
    picture = pictures[0][1]
    assert picture[4:21] == b"\0\0\0\x09image/png\0\0\0\0"
    picture = picture[:17] + b"\0\0\0\2\xff\xe4" + picture[21:]
    new = [blocks[0], (4, comments(VENDOR, ODD)), *pictures, (6, picture), (2, b"abcdapplication")]
    new += [(77, b"unknown"), (4, comments(b"second", ODD[:1])), (1, bytes(9))]
    data = front + b"fLaC"
    for kind, content in new:
        data += bytes([kind | (128 if kind == 1 else 0)]) + len(content).to_bytes(3) + content
    path.write_bytes(data + sound)
    assert_only_ours_changed(path, flac_others)


def test_flac_without_comments(tmp_path):
    path = made(tmp_path / "a.flac")
    blocks, _, sound = flac_blocks(path.read_bytes())
    path.write_bytes(b"fLaC\x80" + len(blocks[0][1]).to_bytes(3) + blocks[0][1] + sound)
    tags.write_tags(path, VALUES)
    (head, *rest), _, after = flac_blocks(path.read_bytes())
    assert (head, after) == (blocks[0], sound)
    assert [kind for kind, _ in rest] == [4, 1]
    assert mutagen.File(path).tags.as_dict() == {"dance": ["Cha Cha"], "bpm": ["124"]}


def packets(data):
    """Packets by stream, with the place in time of the page on which each ends."""
    found, waiting, place = {}, {}, 0
    while data[place : place + 4] == b"OggS":
        serial, granule = data[place + 14 : place + 18], data[place + 6 : place + 14]
        lengths = data[place + 27 : place + 27 + data[place + 26]]
        place += 27 + len(lengths)
        packet = waiting.pop(serial, b"")
        for length in lengths:
            packet += data[place : place + length]
            place += length
            if length < 255:
                found.setdefault(serial, []).append((granule, packet))
                packet = b""
        waiting[serial] = packet
    return found, data[place:]


STARTS = {"libvorbis": 7, "libopus": 8, "libspeex": 0, "flac": 4}  # of the comments, in their packet


def ogg_others(codec):
    def others(data):
        (first, *more), rest = packets(data)[0].values(), packets(data)[1]
        texts, after = without_ours(first[1][1][STARTS[codec] :])
        return first[0], first[1][1][: STARTS[codec]][:1], texts, after.rstrip(b"\0"), first[2:], more, rest

    return others


def with_packet(path, content):
    """The second packet replaced, by mutagen's pages."""
    with path.open("r+b") as file:
        OggPage(file)
        page = OggPage(file)
        old = [page]
        while not (old[-1].complete or len(old[-1].packets) > 1):
            old.append(OggPage(file))
        all_of_them = OggPage.to_packets(old)
        all_of_them[0] = content
        OggPage.replace(file, old, OggPage.from_packets(all_of_them, old[0].sequence))


@pytest.mark.parametrize("codec", STARTS)
def test_ogg(tmp_path, codec):
    encoders = subprocess.run(["ffmpeg", "-hide_banner", "-encoders"], capture_output=True, text=True).stdout
    if codec not in encoders:
        pytest.skip(f"ffmpeg has no {codec}")
    rate = ["-ar", "16000"] if codec == "libspeex" else []
    path = made(tmp_path / "a.ogg", "-c:a", codec, *rate)
    assert_only_ours_changed(path, ogg_others(codec))
    text = comments(VENDOR, [item for item in ODD if codec != "flac" or item])
    head = {"libvorbis": b"\x03vorbis", "libopus": b"OpusTags", "libspeex": b""}
    if codec in head:
        end = {"libvorbis": b"\1", "libopus": b"\1binary data that must stay", "libspeex": b""}[codec]
        with_packet(path, head[codec] + text + end)
        assert_only_ours_changed(path, ogg_others(codec))


def test_ogg_with_two_streams_and_a_chain(tmp_path):
    """Only the comments of the first stream change."""
    path = made(tmp_path / "a.ogg", "-c:a", "libvorbis")
    if has("libtheora"):
        command = ["ffmpeg", "-v", "error", "-i", path, "-f", "lavfi", "-i", "testsrc=d=3:s=64x48"]
        film = ["-map", "0", "-map", "1", "-c:a", "copy", "-c:v", "libtheora", tmp_path / "film.ogg"]
        subprocess.run([*command, *film], check=True)
        path = tmp_path / "film.ogg"
    link = made(tmp_path / "b.ogg", "-c:a", "libvorbis").read_bytes()
    path.write_bytes(path.read_bytes() + link)

    def others(data):
        found, rest = packets(data)
        (audio,) = [s for s, p in found.items() if p[0][1].startswith(b"\x01vorbis")][:1]
        texts, after = without_ours(found[audio][1][1][7:])
        return (
            texts,
            after.rstrip(b"\0"),
            {s: p if s != audio else [p[0], *p[2:]] for s, p in found.items()},
            rest,
        )

    before = others(path.read_bytes())
    tags.write_tags(path, VALUES)
    assert others(path.read_bytes()) == before
    assert path.read_bytes().count(b"DANCE=Cha Cha") == 1


def has(encoder):
    return encoder in subprocess.run(["ffmpeg", "-encoders"], capture_output=True, text=True).stdout


# MP4.


def atoms(data, above=()):
    """(path, content) of all atoms that hold no others; items of the list whole."""
    found, place = [], 0
    while place + 8 <= len(data):
        size = int.from_bytes(data[place : place + 4]) or len(data) - place
        name, content = data[place + 4 : place + 8], data[place + 8 : place + size]
        if name in (b"moov", b"udta", b"meta", b"ilst", b"trak", b"mdia", b"minf", b"stbl"):
            found += atoms(content[4:] if name == b"meta" else content, (*above, name))
        else:
            found.append(((*above, name), content))
        place += size
    return found


def mp4_others(data):
    """But for ours and for padding; tables of places as the bytes that stand there."""
    kept = []
    for path, content in atoms(data):
        ours = path[-1] == b"tmpo" or (path[-1] == b"----" and b"BDJ4" in content and b"DANCE" in content)
        if ours or path[-1] == b"free":
            continue
        if path[-1] == b"stco":
            content = [data[at : at + 16] for (at,) in struct.iter_unpack(">I", content[8:])]
        kept.append((path, content))
    return kept


@pytest.mark.parametrize("options", [[], ["-movflags", "faststart"]])
def test_mp4(tmp_path, options):
    """Freeform items of other types, several values, items that nobody knows, a picture of a wrong type."""
    path = made(tmp_path / "a.m4a", "-c:a", "aac", *options, cover=True)
    file = MP4(path)
    file["----:com.apple.iTunes:BINARY"] = [MP4FreeForm(b"\xff\0\1", dataformat=0), MP4FreeForm(b"two")]
    file["----:BDJ4:OTHER"] = [MP4FreeForm(b"kept")]
    file["tmpo"] = [99]
    file["trkn"] = [(3, 12)]
    file["xxxx"] = ["nobody knows"]
    file.save()
    data = path.read_bytes()
    png = data.index(b"covr") + 4
    assert data[png + 8 : png + 12] == struct.pack(">I", 14)
    data = data[: png + 11] + b"\1" + data[png + 12 :]  # PNG that says it is text
    data = data.replace(b"nobody knows", b"\xff\xfenot UTF-8!")
    path.write_bytes(data)
    assert_only_ours_changed(path, mp4_others)
    assert MP4(path)["tmpo"] == [124]


def test_mp4_without_a_list(tmp_path):
    path = made(tmp_path / "a.m4a", "-c:a", "aac", "-map_metadata", "-1", "-fflags", "+bitexact")
    before = streams(path)
    tags.write_tags(path, VALUES)
    assert streams(path) == before
    assert bytes(MP4(path)["----:BDJ4:DANCE"][0]) == b"Cha Cha"


# WAV and AIFF.


def riff_others(data):
    order = "big" if data[:4] == b"FORM" else "little"
    found, place = [], 12
    end = 8 + int.from_bytes(data[4:8], order)
    while place + 8 <= end:
        size = int.from_bytes(data[place + 4 : place + 8], order)
        found.append((data[place : place + 4], data[place + 8 : place + 8 + size]))
        place += 8 + size + size % 2
    return [chunk for chunk in found if chunk[0].upper() != b"ID3 "], data[end:]


@pytest.mark.parametrize(("suffix", "order"), [("wav", "<"), ("aiff", ">")])
@pytest.mark.parametrize("behind", [b"", b"what somebody left"])
def test_chunks(tmp_path, suffix, order, behind):
    """LIST, cue points, broadcast data and chunks that nobody knows, also behind the sound."""
    path = made(tmp_path / f"a.{suffix}", *(["-write_bext", "1"] if suffix == "wav" else []))
    data = path.read_bytes()
    for name, content in ((b"xyz ", b"odd"), (b"cue ", struct.pack("<I", 0)), (b"NAME", b"S\xf6ng\0x")):
        data += name + struct.pack(f"{order}I", len(content)) + content + b"\0" * (len(content) % 2)
    path.write_bytes(data[:4] + struct.pack(f"{order}I", len(data) - 8) + data[8:] + behind)
    assert_only_ours_changed(path, riff_others)


# WavPack.


def ape_others(data):
    body = data[:-128] if data[-128:].startswith(b"TAG") else data
    if body[-32:-24] != b"APETAGEX":
        return body, [], data[len(body) :]
    size, n = struct.unpack("<II", body[-20:-12])
    place, items = len(body) - size, []
    for _ in range(n):
        key = body.index(b"\0", place + 8)
        end = key + 1 + int.from_bytes(body[place : place + 4], "little")
        items.append(body[place:end])
        place = end
    start = len(body) - size - (32 if body[-9] & 0x80 else 0)
    kept = [item for item in items if not re.match(rb"(?is).{8}(dance|bpm)\0", item)]
    return body[:start], kept, data[len(body) :]


@pytest.mark.parametrize("v1", [b"", b"TAG" + bytes(125)])
@pytest.mark.parametrize("with_header", [True, False])
def test_ape(tmp_path, v1, with_header):
    """Items for reading only, binary ones, of two values, of the same name."""
    path = made(tmp_path / "a.wv")
    sound, _, _ = ape_others(path.read_bytes())
    odd = [(0, b"Title\0S\xc3\xb6ng"), (1, b"Artist\0One\0Two"), (2, b"Cover Art (Front)\0a\0\x89PNG\0\1")]
    odd += [(0, b"title\0again"), (4, b"Related\0http://x"), (0, b"bpm\x0099")]
    items = [struct.pack("<II", len(item.partition(b"\0")[2]), flags) + item for flags, item in odd]
    body = b"".join(items)
    flags = 0x80000000 if with_header else 0
    ends = [
        struct.pack("<8sIIII8x", b"APETAGEX", 2000, len(body) + 32, len(items), flags | which)
        for which in (0x20000000, 0)
    ]
    path.write_bytes(sound + (ends[0] if with_header else b"") + body + ends[1] + v1)
    before = ape_others(path.read_bytes())
    assert len(before[1]) == 5
    for values in (VALUES, {"DANCE": "Waltz"}):
        tags.write_tags(path, values, overwrite=True)
        assert ape_others(path.read_bytes()) == before
    assert mutagen.File(path).tags["DANCE"] == "Waltz"
    assert mutagen.File(path).tags["BPM"] == "124"


def test_wavpack_without_a_tag(tmp_path):
    path = made(tmp_path / "a.wv")
    path.write_bytes(ape_others(path.read_bytes())[0])
    assert_only_ours_changed(path, ape_others)


# WMA.

EXTENDED = bytes.fromhex("40a4d0d207e3d21197f000a0c95ea850")
PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")


def asf_objects(data):
    size, n = struct.unpack("<QI", data[16:28])
    place, found = 30, []
    for _ in range(n):
        length = int.from_bytes(data[place + 16 : place + 24], "little")
        found.append((data[place : place + 16], data[place + 24 : place + length]))
        place += length
    assert place == size
    return found, data[28:30], data[size:]


def asf_others(data):
    objects, reserved, rest = asf_objects(data)
    kept = []
    for kind, content in objects:
        if kind == EXTENDED:
            place, items = 2, []
            for _ in range(int.from_bytes(content[:2], "little")):
                name = int.from_bytes(content[place : place + 2], "little")
                value = int.from_bytes(content[place + 4 + name : place + 6 + name], "little")
                items.append(content[place : place + 6 + name + value])
                place += 6 + name + value
            ours = [("DANCE\0").encode("utf-16-le"), "WM/BeatsPerMinute\0".encode("utf-16-le")]
            content = [item for item in items if not any(item[2:].startswith(name) for name in ours)]
        if kind == PROPERTIES:
            assert int.from_bytes(content[16:24], "little") == len(data)
            content = content[:16] + content[24:]
        kept.append((kind, content))
    return kept, reserved, rest


def test_asf(tmp_path):
    """Attributes of every type, one that comes twice."""
    path = made(tmp_path / "a.wma")
    objects, reserved, rest = asf_objects(path.read_bytes())

    def attribute(name, kind, value):
        text = (name + "\0").encode("utf-16-le")
        return struct.pack("<H", len(text)) + text + struct.pack("<HH", kind, len(value)) + value

    odd = [
        attribute("WM/Genre", 0, "Röck\0".encode("utf-16-le")),
        attribute("WM/Genre", 0, "Pop\0".encode("utf-16-le")),
        attribute("Blob", 1, b"\x89\0\xff"),
        attribute("IsVBR", 2, struct.pack("<I", 1)),
        attribute("Big", 4, struct.pack("<Q", 1 << 40)),
        attribute("Word", 5, struct.pack("<H", 7)),
    ]
    new = [(k, c) for k, c in objects if k != EXTENDED]
    new.append((EXTENDED, struct.pack("<H", len(odd)) + b"".join(odd)))
    size = 30 + sum(24 + len(content) for _, content in new)
    body = b""
    for kind, content in new:
        if kind == PROPERTIES:
            content = content[:16] + struct.pack("<Q", size + len(rest)) + content[24:]
        body += kind + struct.pack("<Q", 24 + len(content)) + content
    path.write_bytes(path.read_bytes()[:16] + struct.pack("<QI", size, len(new)) + reserved + body + rest)
    before = asf_others(path.read_bytes()), streams(path)
    tags.write_tags(path, VALUES)
    assert (asf_others(path.read_bytes()), streams(path)) == before


# What would change is refused.


@pytest.mark.parametrize(
    ("suffix", "module", "name"),
    [
        ("flac", vorbis, "write_flac"),
        ("ogg", vorbis, "write_ogg"),
        ("m4a", mp4, "write"),
        ("wav", chunks, "write"),
        ("wv", ape, "write"),
        ("wma", asf, "write"),
    ],
)
def test_a_difference_anywhere_is_refused(tmp_path, monkeypatch, suffix, module, name):
    """A writer that harms another tag by one byte."""
    path = made(tmp_path / f"a.{suffix}")
    before = path.read_bytes()
    original = getattr(module, name)

    def harmful(path, *arguments):
        original(path, *arguments)
        data = path.read_bytes()
        for text in (b"S\xc3\xb6ng", "Söng".encode("utf-16-le")):
            data = data.replace(text, text[:-1] + bytes([text[-1] ^ 1]))
        if suffix == "ogg":
            data = rechecked(data)
        path.write_bytes(data)

    monkeypatch.setattr(module, name, harmful)
    with pytest.raises(WhichdanceError, match=r"a\.\w+: new tags would change other tags; the file is left"):
        tags.write_tags(path, VALUES)
    assert path.read_bytes() == before


def rechecked(data):
    """Checksums of Ogg pages anew."""
    out, place = b"", 0
    while place < len(data):
        n = data[place + 26]
        end = place + 27 + n + sum(data[place + 27 : place + 27 + n])
        page = data[place : place + 22] + bytes(4) + data[place + 26 : end]
        out += page[:22] + struct.pack("<I", crc(page)) + page[26:]
        place = end
    return out


def crc(page):
    remainder = 0
    for byte in page:
        remainder ^= byte << 24
        for _ in range(8):
            remainder = (remainder << 1) ^ (0x04C11DB7 if remainder & 1 << 31 else 0)
    return remainder & 0xFFFFFFFF
