"""What an export made: the contents of NAME.json, and what the model card is written from."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from export.quantise import Noise
from export.verify import Parity


@dataclass(frozen=True)
class Quantisation:
    """How an int8 file came about.

    Attributes
    ----------
    calibrated_on : str
    calibration_segments : int
    ranges : str
        What a tensor's range is of the batches' ranges.
    layers : int
        Convolutions and matrix products.
    kept_float : mapping of str to Noise
        The layers among them that stay float, with what int8 would do there.
    """

    calibrated_on: str
    calibration_segments: int
    ranges: str
    layers: int
    kept_float: Mapping[str, Noise]


@dataclass(frozen=True)
class ModelFile:
    """A file that has been verified and timed.

    Attributes
    ----------
    file : str
        Its name.
    precision : str
        'float', 'float16' or 'int8'; 'waveform' for the float file that takes samples.
    size : int
        Bytes.
    sha256 : str
    comparisons : tuple of Parity
        One per set of segments.
    milliseconds, torch_milliseconds : float
        For one segment on one thread, of the file and of PyTorch in the same run; where the file takes
        samples, of PyTorch with the runtime's front end.
    opset : int or None
    operators : mapping of str to int, or None
        How often each occurs; None of files in onnxruntime's own format.
    quantisation : Quantisation or None
    """

    file: str
    precision: str
    size: int
    sha256: str
    comparisons: tuple[Parity, ...]
    milliseconds: float
    torch_milliseconds: float
    opset: int | None = None
    operators: Mapping[str, int] | None = None
    quantisation: Quantisation | None = None

    @property
    def latency_ratio(self) -> float:
        """Time relative to PyTorch's."""
        return self.milliseconds / self.torch_milliseconds

    def to_dict(self) -> dict[str, Any]:
        """As plain objects that `json` accepts; what a file does not have is left out."""
        known = {name: value for name, value in vars(self).items() if value is not None}
        known["comparisons"] = [comparison.to_dict() for comparison in self.comparisons]
        known["latency_ratio"] = self.latency_ratio
        quantisation = known.pop("quantisation", None)
        return known | (asdict(quantisation) if quantisation else {})


@dataclass(frozen=True)
class ExportReport:
    """An export.

    Attributes
    ----------
    name, architecture : str
    options : mapping
        Of `training.networks.models.build`.
    classes : tuple of str
        That the network was trained on, 'other' included.
    temperature : float
        Divides the logits.
    metadata : mapping of str to str
        In every file.
    command, machine : str
    confident_from : float
        A segment is confident where PyTorch's highest score is at least this.
    files : tuple of ModelFile
    """

    name: str
    architecture: str
    options: Mapping[str, Any]
    classes: tuple[str, ...]
    temperature: float
    metadata: Mapping[str, str]
    command: str
    machine: str
    confident_from: float
    files: tuple[ModelFile, ...]

    def to_dict(self) -> dict[str, Any]:
        """As plain objects that `json` accepts."""
        return {
            **vars(self),
            "options": dict(self.options),
            "classes": list(self.classes),
            "metadata": dict(self.metadata),
            "files": [file.to_dict() for file in self.files],
        }
