"""whichdance on the device: which dance is this music for? numpy and onnxruntime, no network.

Examples
--------
>>> import runtime
>>> runtime.classify("examples/viennese_waltz.ogg").dance
'viennese_waltz'
"""

from runtime.answer import Answer
from runtime.classifier import Classifier, classify
from runtime.dances import DANCE_KEYS, DANCES, OTHER, TEN, Dance, dance
from runtime.errors import AudioError, ModelError, ParameterError, WhichdanceError
from runtime.live import LiveClassifier
from runtime.model import Model
from runtime.prediction import Part, Prediction

__version__ = "0.1.0"  # the one place; pyproject.toml and buildozer.spec read it here

__all__ = [
    "DANCES",
    "DANCE_KEYS",
    "OTHER",
    "TEN",
    "Answer",
    "AudioError",
    "Classifier",
    "Dance",
    "LiveClassifier",
    "Model",
    "ModelError",
    "ParameterError",
    "Part",
    "Prediction",
    "WhichdanceError",
    "__version__",
    "classify",
    "dance",
]
