"""The .ort files beside the .onnx ones."""

from pathlib import Path

from export import ort_format


def test_ort_files_are_reproducible(exported: tuple[Path, dict[str, object]], tmp_path: Path) -> None:
    folder, _ = exported
    for precision in ("", ".float16", ".int8"):
        again = tmp_path / f"again{precision}.ort"
        ort_format.convert(folder / f"small{precision}.onnx", again, keep_float16=bool("16" in precision))
        assert again.read_bytes() == (folder / f"small{precision}.ort").read_bytes()


def test_required_operators_are_listed(exported: tuple[Path, dict[str, object]]) -> None:
    text = (exported[0] / "small.required_operators.config").read_text()
    assert "QLinearConv" in text
    assert "Log" in text
    assert "/" not in text.splitlines()[0]  # no folder of this machine
