"""What an export found, as data."""

import json
from pathlib import Path

from export.quantise import Noise
from export.report import ExportReport, ModelFile, Quantisation


def test_report_compares_every_file_on_the_test_split(exported: tuple[Path, dict[str, object]]) -> None:
    _, report = exported
    files = report["files"]
    assert isinstance(files, list)
    assert len(files) == 7
    for item in files[:-1]:
        (comparison,) = item["comparisons"]
        assert comparison["agreement"]["total"] == 11  # one segment of each recording of the test split
        assert comparison["top1"]["total"] == 10
        assert comparison["source"].endswith("manifest.csv@test")
        assert item["milliseconds"] > 0
    assert files[0]["comparisons"][0]["max_difference"] < 1e-4
    (of_samples,) = files[-1]["comparisons"]
    assert of_samples["source"].endswith("manifest.csv@test")
    assert of_samples["agreement"]["total"] == 11
    assert of_samples["max_difference"] < 1e-4


def test_what_a_file_does_not_have_is_left_out() -> None:
    plain = ModelFile("a.onnx", "float", 1, "0", (), 3.0, 2.0)
    assert plain.to_dict() == {
        **{"file": "a.onnx", "precision": "float", "size": 1, "sha256": "0", "comparisons": []},
        **{"milliseconds": 3.0, "torch_milliseconds": 2.0, "latency_ratio": 1.5},
    }
    made = Quantisation("a", 600, "average", 26, {"conv_3": Noise(scores=12.3, weights=40.1, input=35.6)})
    file = ModelFile("a.int8.onnx", "int8", 1, "0", (), 3.0, 2.0, operators={"Conv": 2}, quantisation=made)
    report = ExportReport("a", "n", {}, ("tango",), 1.0, {}, "export", "abacus", 0.5, (plain, file)).to_dict()
    assert json.loads(json.dumps(report)) == report
    of_file = report["files"][1]
    assert of_file["operators"] == {"Conv": 2}
    assert of_file["kept_float"] == {"conv_3": {"scores": 12.3, "weights": 40.1, "input": 35.6}}
