"""The model card."""

from pathlib import Path

import pytest
from huggingface_hub import ModelCard

from export import card
from export.quantise import Noise
from export.report import ModelFile, Quantisation

MODELS = Path(__file__).parents[2] / "runtime" / "models"


def test_card_tells_everything(exported: tuple[Path, dict[str, object]]) -> None:
    folder, report = exported
    card = (folder / "small.md").read_text()
    assert report["temperature"] == 1.5
    for wanted in (
        "# small", "Not for:", "none \\| at all", "CC0 for all |", "n_fft | 2048", "hop_length | 512",
        "python -m export", "--int8", "`small.int8.ort`", "real songs", "50.0 % [20.0, 80.0] of 10",
        "| real songs | tango | paso doble | 25 % |", "python -m training evaluate best.pt", "score 0.25",
        "layers", "squeezenet1_1",
    ):  # fmt: skip
        assert wanted in card
    assert str(folder.parent) not in card + (folder / "small.json").read_text()


def test_hugging_face_reads_it(exported: tuple[Path, dict[str, object]]) -> None:
    read = ModelCard.load(exported[0] / "small.md").data
    assert (read.license, read.license_name) == ("other", "CC0 for all")
    assert (read.library_name, read.pipeline_tag) == ("onnx", "audio-classification")
    assert read.tags == ["music", "dance", "ballroom"]


@pytest.mark.parametrize("path", sorted(MODELS.glob("*.md")), ids=lambda path: path.stem)
def test_hugging_face_reads_the_shipped_cards(path: Path) -> None:
    """And all whose work the models have heard is named with its licence."""
    card = ModelCard.load(path)
    assert (card.data.license, card.data.library_name) == ("apache-2.0", "onnx")
    for wanted in ("Groove MIDI Dataset", "CC BY 4.0", "MuseScore_General_Lite, MIT", "died before 1955"):
        assert wanted in card.text


def test_card_lists_layers_kept_in_float() -> None:
    made = Quantisation("a", 600, "average", 26, {"conv_3": Noise(scores=12.3, weights=40.1, input=35.6)})
    file = ModelFile("small.int8.onnx", "int8", 1, "", (), 1.0, 2.0, quantisation=made)
    text = "\n".join(card._quantisation([file]))
    assert "of 26 layers 1 stay float" in text
    assert "| `conv_3` | 12 dB | 40 dB | 36 dB |" in text
