"""models.toml: what the runtime finds models by."""

import tomllib
from pathlib import Path

import pytest

from export import registry
from export.cli import main
from runtime.errors import ModelError

LICENCE = ("--licence", "CC0")


@pytest.mark.usefixtures("quick")
def test_another_model_joins_the_list(checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "models.toml").write_text('[[models]]\nname = "old"\nfile = "old.onnx"\nsha256 = "0"\n')
    assert main([str(checkpoint), "-o", str(tmp_path), "--name", "new", "--default", *LICENCE]) == 0
    models = tomllib.loads((tmp_path / "models.toml").read_text())["models"]
    assert [entry["name"] for entry in models] == ["new", "old"]
    assert models[1] == {"name": "old", "file": "old.onnx", "sha256": "0"}


def test_damaged_list_of_models_is_left_alone(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "models.toml").write_text("[[models")
    assert main([str(checkpoint), "-o", str(tmp_path), *LICENCE]) == 1
    assert "models.toml" in capsys.readouterr().err
    assert (tmp_path / "models.toml").read_text() == "[[models"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_namesake_is_replaced_where_it_stands() -> None:
    old = [{"name": "a", "file": "1"}, {"name": "b", "file": "2"}]
    new = {"name": "a", "file": "3"}
    assert registry.merged(old, [new]) == [new, old[1]]
    later = [{"name": "c", "file": "4"}, {"name": "b", "file": "5"}]
    assert registry.merged(old, later, default=True) == [later[0], old[0], later[1]]


def test_there_and_back(tmp_path: Path) -> None:
    model = tmp_path / "m.onnx"
    model.write_bytes(b"a model")
    made = registry.entry(
        model, name='Wal"zer\\ ♪', precision="int8", architecture="n", classes=["tango", "wörld"]
    )
    assert (made["file"], made["size"]) == ("m.onnx", 7)
    assert registry.read(tmp_path) == []
    registry.write(tmp_path, [made, {"name": "b"}])
    assert registry.read(tmp_path) == [made, {"name": "b"}]
    for damaged in ("models = 3", "[[models]]\nfile = 'a'", "[[models]]\nname = 3", "models", "\0"):
        (tmp_path / "models.toml").write_text(damaged)
        with pytest.raises(ModelError, match=r"models\.toml"):
            registry.read(tmp_path)
