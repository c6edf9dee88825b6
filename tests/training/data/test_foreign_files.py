"""Files from elsewhere, and those that a crash or a full disk has damaged: one error that names them."""

import sqlite3
from contextlib import suppress

import numpy as np
import pytest
import torch

from export.registry import read as read_registry
from runtime.errors import ModelError, WhichdanceError
from training.data.manifest import read_manifest
from training.data.store import Store
from training.evaluation.evaluate import array_dataset
from training.networks import models
from training.synthesis.corpus import CorpusError, read_rows
from training.synthesis.styles import StyleError, load

OPTIONS = {"branches": ("acf",), "width": 4}


@pytest.fixture
def checkpoint(tmp_path):
    """Path of a checkpoint, and a function that changes entries of it."""
    path = tmp_path / "foreign.pt"
    models.save_checkpoint(path, models.build("rhythmogram", **OPTIONS), "rhythmogram", OPTIONS)

    def change(**entries):
        torch.save(torch.load(path, weights_only=True) | entries, path)

    return path, change


def test_a_checkpoint_never_downloads_nor_reads_another_file(tmp_path, monkeypatch):
    """`weights` among its options would be a download ('imagenet') or any file on this machine."""
    network = models.build("mobilenet_v3_small")
    path = tmp_path / "foreign.pt"
    models.save_checkpoint(path, network, "mobilenet_v3_small", {})
    loaded = torch.load(path, weights_only=True)

    def never(*_, **__):
        raise AssertionError("something else was read")

    for weights in ("imagenet", str(tmp_path / "secret.pt")):
        torch.save(loaded | {"options": {"weights": weights}}, path)
        with monkeypatch.context() as patch:
            patch.setattr(torch.hub, "load_state_dict_from_url", never)
            patch.setattr(
                "training.networks.models.load_pretrained", lambda n, a, w: w in (None, "random") or never()
            )
            _, entries = models.load_checkpoint(path)
        assert "weights" not in entries["options"]


@pytest.mark.parametrize(
    "entries",
    [
        {"options": None},
        {"options": {"width": -3}},
        {"options": {"width": "many"}},
        {"options": {"nonsense": 1}},
        {"options": {"classes": "tango"}},
        {"architecture": "no_such"},
        {"architecture": 5},
        {"state_dict": []},
        {"labels": None},
        {"format": 99},
    ],
)
def test_a_checkpoint_that_makes_no_sense(checkpoint, entries):
    path, change = checkpoint
    change(**entries)
    with pytest.raises(ModelError, match=r"foreign\.pt"):
        models.load_checkpoint(path)


def test_a_checkpoint_on_a_full_disk(tmp_path, monkeypatch):
    def full(*_):
        raise RuntimeError("[enforce fail at inline_container.cc:664] . unexpected pos 64 vs 0")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(WhichdanceError, match=r"new\.pt: cannot be written; is the disk full"):
        models.save_checkpoint(tmp_path / "new.pt", models.build("rhythmogram", **OPTIONS), "rhythmogram", {})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 and no more", b"nonsense"])
def test_an_npz_that_is_none(tmp_path, data):
    path = tmp_path / "arrays.npz"
    path.write_bytes(data)
    with pytest.raises(WhichdanceError, match=r"arrays\.npz"):
        array_dataset("arrays", path)


def test_an_npz_that_was_cut_or_hit(tmp_path):
    path = tmp_path / "arrays.npz"
    np.savez_compressed(path, mel_db=np.zeros((2, 1, 224, 224), np.uint8), labels=["tango", "rumba"])
    whole = path.read_bytes()
    generator = np.random.default_rng(0)
    for _ in range(40):
        hit = bytearray(whole)
        hit[generator.integers(len(hit))] ^= 1 << generator.integers(8)
        path.write_bytes(hit if generator.random() < 0.7 else whole[: generator.integers(len(whole))])
        with suppress(WhichdanceError):  # any other error fails; some bits are of no importance
            array_dataset("arrays", path)


@pytest.mark.parametrize("data", [b"\xff\xfe", b"[" * 100_000, b"a = "])
def test_styles_that_are_no_toml(tmp_path, data):
    path = tmp_path / "rumba.toml"
    path.write_bytes(data if data != b"[" * 100_000 else b"a = " + data)
    with pytest.raises(StyleError, match=r"rumba\.toml"):
        load(path)


@pytest.mark.parametrize("text", ["models = 3", "models = ['x']", "[[models]]\nfile = 'x'", "\xff"])
def test_a_list_of_models_that_is_none(tmp_path, text):
    (tmp_path / "models.toml").write_bytes(text.encode("latin-1"))
    with pytest.raises(ModelError, match=r"models\.toml"):
        read_registry(tmp_path)


@pytest.mark.parametrize("row", ["x", "rumba/0.flac,rumba,many", ",,,,,,,,,,,,"])
def test_corpus_rows_that_make_no_sense(tmp_path, row):
    path = tmp_path / "manifest.csv"
    path.write_text(f"path,dance,index\n{row}\n")
    with pytest.raises(CorpusError, match=r"manifest\.csv, line 2"):
        read_rows(path)


@pytest.mark.parametrize("damage", ["not a database" * 100, "cut", "other tables"])
def test_a_damaged_store_computes_anew(tmp_path, manifest, damage):
    store, recordings = Store(tmp_path / "store"), read_manifest(manifest)[:2]
    [first, _] = store.collect(recordings).stored
    database = tmp_path / "store" / "hashes.sqlite"
    if damage == "cut":
        database.write_bytes(database.read_bytes()[:5000])
    elif damage == "other tables":
        database.unlink()
        with sqlite3.connect(database) as other:
            other.execute("CREATE TABLE hashes (x)")
        other.close()
    else:
        database.write_text(damage)
    codes = np.array(first.codes())
    first.file.write_bytes(first.file.read_bytes()[:-100])
    again = Store(tmp_path / "store").collect(recordings)
    assert not again.failed
    np.testing.assert_array_equal(again.stored[0].codes(), codes)


def test_a_spectrogram_of_another_shape_is_computed_anew(tmp_path, manifest):
    store, recordings = Store(tmp_path / "store"), read_manifest(manifest)[:1]
    [stored] = store.collect(recordings).stored
    np.save(stored.file, np.zeros((1000, 3), np.uint8))
    [again] = Store(tmp_path / "store").collect(recordings).stored
    assert again.n_frames == stored.n_frames


def test_a_store_that_cannot_be_used_is_named(tmp_path, manifest):
    (tmp_path / "store" / "hashes.sqlite").mkdir(parents=True)
    with pytest.raises(WhichdanceError, match=r"hashes\.sqlite: cannot be used"):
        Store(tmp_path / "store").collect(read_manifest(manifest)[:1])
