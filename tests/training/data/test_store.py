import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import joblib
import numpy as np
import pytest
import soundfile
import torch

from runtime import audio, mel
from runtime.segments import windows
from training.data import store as store_module
from training.data.codec import STORED
from training.data.manifest import Recording, read_manifest
from training.data.store import Store, add_to_store, encode, spectrogram_file
from training.networks.inputs import input_image


def test_spectrogram_is_the_runtimes_to_a_quarter_decibel(manifest: Path, tmp_path: Path) -> None:
    recording = read_manifest(manifest)[0]
    stored = Store(tmp_path).collect([recording]).stored[0]
    samples, rate = audio.read(recording.path)
    expected = 10 * np.log10(np.maximum(mel.melspectrogram(samples, sample_rate=rate), 1e-20))
    expected = np.maximum(expected - expected.max(), -127.5)
    found = 10 * np.log10(STORED.decode(stored.codes()))
    assert found.shape == expected.shape
    assert np.abs(found - found.max() - expected).max() <= 0.2501
    assert isinstance(stored.codes().base, np.memmap)


def test_codes_cover_full_scale_and_silence() -> None:
    loud = mel.melspectrogram(np.where(np.arange(22_050) // 200 % 2, 1.0, -1.0))  # a square wave
    assert encode(loud).max() == encode(loud * 1e-6).max() == 255
    assert encode(np.zeros((1, 224), np.float32)).max() == 0
    assert np.allclose(encode(STORED.decode(np.arange(256, dtype=np.uint8))), np.arange(256))


def test_computed_once_by_content(
    write_clicks: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = tmp_path / "a.wav", tmp_path / "b.wav"
    write_clicks(a, "rumba")
    shutil.copy(a, b)
    computed: list[Path] = []
    original = store_module.spectrogram
    monkeypatch.setattr(
        store_module, "spectrogram", lambda path, device: (computed.append(path), original(path, device))[1]
    )
    store = Store(tmp_path / "store")
    one, two = store.collect([Recording(a, "rumba"), Recording(b, "rumba")]).stored
    assert one.file == two.file
    assert len(computed) == 1

    write_clicks(b, "quickstep")
    changed = store.collect([Recording(a, "rumba"), Recording(b, "rumba")]).stored
    assert changed[0].file == one.file
    assert changed[1].file != one.file
    assert len(computed) == 2


def test_other_front_end_parameters_mean_another_spectrogram(
    manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = read_manifest(manifest)[0].path
    before, _ = add_to_store(tmp_path, path)
    monkeypatch.setattr(store_module, "FORMAT", "another")
    assert add_to_store(tmp_path, path)[0] != before


def test_short_and_unreadable_recordings_are_reported(
    write_clicks: Callable[..., None], tmp_path: Path
) -> None:
    long, short, text = tmp_path / "long.wav", tmp_path / "short.wav", tmp_path / "text.wav"
    write_clicks(long, "rumba")
    write_clicks(short, "rumba", seconds=4)
    text.write_text("no music")
    recordings = [Recording(p, "rumba") for p in (long, short, text, tmp_path / "missing.wav")]
    recordings.append(Recording(long, "rumba", start=3.0))  # only 4 s of it count
    collection = Store(tmp_path / "store").collect(recordings)
    assert [s.recording for s in collection.stored] == recordings[:1]
    assert [s.recording for s in collection.short] == [recordings[1], recordings[4]]
    assert [r for r, _ in collection.failed] == recordings[2:4]
    assert "text.wav" in collection.failed[0][1]
    assert "missing.wav" in collection.failed[1][1]


def test_part_of_a_recording(manifest: Path, tmp_path: Path) -> None:
    path = read_manifest(manifest)[0].path
    whole, part = (
        Store(tmp_path).collect([Recording(path, "rumba"), Recording(path, "rumba", start=1, end=6.5)]).stored
    )
    assert part.first == round(mel.FRAME_RATE)
    assert part.n_frames == round(6.5 * mel.FRAME_RATE) - part.first
    assert (part.codes() == whole.codes()[part.first : part.last]).all()


def test_crash_half_way_leaves_nothing(
    manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = read_manifest(manifest)[0].path

    def dies(file: object, codes: np.ndarray) -> None:
        file.write(b"half")  # type: ignore[attr-defined]
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(store_module.np, "save", dies)
        with pytest.raises(KeyboardInterrupt):
            add_to_store(tmp_path, path)
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []
    digest, reason = add_to_store(tmp_path, path)
    assert reason == ""
    assert np.load(spectrogram_file(tmp_path, digest)).shape[1] == mel.N_MELS


def test_two_processes_at_once(manifest: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from training.data.manifest import read_manifest;"
        "from training.data.store import Store;"
        "c = Store(sys.argv[1]).collect(read_manifest(sys.argv[2])); assert len(c.stored) == 15, c"
    )
    command = [sys.executable, "-c", code, str(tmp_path), str(manifest)]
    processes = [subprocess.Popen(command) for _ in range(2)]
    assert [p.wait() for p in processes] == [0, 0]
    assert len(list(tmp_path.rglob("*.npy"))) == 15
    assert not list(tmp_path.rglob("*.tmp*"))


@pytest.mark.parametrize("damaged", [b"", b"damaged"])
@pytest.mark.parametrize("checks", [1, 2])
def test_another_process_was_faster(
    manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damaged: bytes, checks: int
) -> None:
    """It puts its file in place right after our last look: from then on that must never be missing."""
    path = read_manifest(manifest)[0].path
    (tmp_path / "other").mkdir()
    digest, _ = add_to_store(tmp_path / "other", path)
    whole = spectrogram_file(tmp_path / "other", digest)
    target = spectrogram_file(tmp_path / "here", digest)
    target.parent.mkdir(parents=True)
    if damaged:
        target.write_bytes(damaged)
    looked: list[int] = []
    length, save = store_module._length, np.save

    def looks(file: Path) -> int:
        looked.append(length(file))
        if len(looked) == checks:
            assert looked[-1] == 0
            shutil.copy(whole, tmp_path / "whole")
            (tmp_path / "whole").replace(target)
        return looked[-1]

    def saves(file: BinaryIO, codes: np.ndarray) -> None:
        assert target.read_bytes() == whole.read_bytes()
        save(file, codes)

    monkeypatch.setattr(store_module, "_length", looks)
    monkeypatch.setattr(store_module.np, "save", saves)
    assert add_to_store(tmp_path / "here", path) == (digest, "")
    assert len(looked) >= checks
    assert target.read_bytes() == whole.read_bytes()


def test_another_process_is_faster_while_ours_writes(
    manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both found the same damaged file: what the faster one wrote stays, and no error of the slower."""
    path = read_manifest(manifest)[0].path
    digest, _ = add_to_store(tmp_path, path)
    target = spectrogram_file(tmp_path, digest)
    whole = target.read_bytes()
    for others, reason in ((whole, ""), (b"damaged too", "another program changed it")):
        target.write_bytes(b"damaged")

        def saves(file: BinaryIO, codes: np.ndarray, others: bytes = others) -> None:
            file.write(whole)
            (tmp_path / "others").write_bytes(others)
            (tmp_path / "others").replace(target)

        with monkeypatch.context() as patch:
            patch.setattr(store_module.np, "save", saves)
            found = add_to_store(tmp_path, path)
        assert reason in found[1]
        assert bool(found[0]) is not bool(reason)
        assert target.read_bytes() == others
    assert not list(tmp_path.rglob("*.tmp*"))


@pytest.mark.parametrize("damaged", [False, True])
def test_a_damaged_file_is_replaced_by_two_processes(manifest: Path, tmp_path: Path, damaged: bool) -> None:
    path = read_manifest(manifest)[0].path
    digest, _ = add_to_store(tmp_path, path)
    target = spectrogram_file(tmp_path, digest)
    whole = target.read_bytes()
    code = (
        "import sys; from pathlib import Path; from training.data.store import add_to_store;"
        "sys.stdin.read(1); print(add_to_store(Path(sys.argv[1]), Path(sys.argv[2])))"
    )
    command = [sys.executable, "-c", code, str(tmp_path), str(path)]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    target.write_bytes(whole[: len(whole) // 2]) if damaged else target.unlink()
    for process in processes:  # both have imported what they need, or will in a moment
        assert process.stdin
        process.stdin.write("x")
        process.stdin.flush()
    assert [p.communicate()[0].strip() for p in processes] == [str((digest, ""))] * 2
    assert target.read_bytes() == whole
    assert not list(tmp_path.rglob("*.tmp*"))


@pytest.mark.filterwarnings("ignore")  # of dask and tornado
def test_work_is_spread_by_dask(manifest: Path, tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    here = Store(tmp_path / "here").collect(read_manifest(manifest))
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster),
        joblib.parallel_config(backend="dask"),
    ):
        spread = Store(tmp_path / "spread").collect(read_manifest(manifest), jobs=-1)
        assert sum(len(worker.state.log) for worker in cluster.workers.values())  # they did the work
    assert [s.file.name for s in spread.stored] == [s.file.name for s in here.stored]
    assert all((a.codes() == b.codes()).all() for a, b in zip(here.stored, spread.stored, strict=True))


@pytest.mark.parametrize("gain_db", [-40, 6])
def test_the_level_makes_no_difference_and_the_runtime_agrees(
    write_clicks: Callable[..., None], tmp_path: Path, gain_db: float
) -> None:
    write_clicks(tmp_path / "a.wav", "rumba")
    samples, rate = audio.read(tmp_path / "a.wav")
    gain = np.float32(10 ** (gain_db / 20))
    paths = [tmp_path / "full.wav", tmp_path / "gained.wav"]
    for path, changed in zip(paths, (samples, samples * gain), strict=True):
        soundfile.write(path, changed, rate, subtype="FLOAT")
    full, gained = Store(tmp_path / "store").collect([Recording(p, "rumba") for p in paths]).stored
    assert np.abs(full.codes().astype(int) - gained.codes()).max() <= 1  # rounding
    image = input_image("db", mel.N_MELS)  # what a network sees: -1 to 1 for 80 dB
    power = [STORED.decode(gained.codes()), mel.melspectrogram(samples * gain, sample_rate=rate)]
    here, there = (image(torch.from_numpy(windows(p).copy())) for p in power)
    assert (here - there).abs().max() * 40 <= 0.501  # dB, of rounding


def test_broken_files_are_remembered(
    write_clicks: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.wav"
    path.write_text("no music")
    tried: list[Path] = []
    original = store_module.spectrogram
    monkeypatch.setattr(
        store_module, "spectrogram", lambda path, device: (tried.append(path), original(path, device))[1]
    )
    store = Store(tmp_path / "store")
    first = store.collect([Recording(path, "rumba")]).failed
    assert store.collect([Recording(path, "rumba")]).failed == first
    assert len(tried) == 1
    monkeypatch.setattr(store_module, "decoders", lambda: "another libsndfile")
    store.collect([Recording(path, "rumba")])
    assert len(tried) == 2
    write_clicks(path, "rumba")  # mended
    assert len(store.collect([Recording(path, "rumba")]).stored) == 1
    path.unlink()
    assert store.collect([Recording(path, "rumba")]).failed  # gone is not broken
    write_clicks(path, "rumba")
    assert len(store.collect([Recording(path, "rumba")]).stored) == 1


def test_a_damaged_spectrogram_is_computed_anew(manifest: Path, tmp_path: Path) -> None:
    recording = read_manifest(manifest)[0]
    file = Store(tmp_path).collect([recording]).stored[0].file
    whole = file.read_bytes()
    store_module._mapped.cache_clear()
    for damaged in (b"", whole[:50], whole[: len(whole) // 2]):
        file.write_bytes(damaged)
        stored = Store(tmp_path).collect([recording]).stored[0]
        assert stored.n_frames > 200
        assert file.read_bytes() == whole
