"""What a checkpoint has to be, and what goes from it into the metadata."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from export import quantise, verify
from export.deployed import from_checkpoint
from export.graph import to_onnx
from export.segments import Segments
from runtime.dances import DANCE_KEYS
from runtime.errors import ModelError, ParameterError, WhichdanceError
from runtime.model import ModelInfo
from training.evaluation.calibrate import log_prior, shares_of
from training.networks.models import front_end

CheckpointMaker = Callable[..., Path]


def test_metadata_satisfy_the_runtime(make_checkpoint: CheckpointMaker) -> None:
    deployable = from_checkpoint(
        make_checkpoint(), name="a-b_c.1", version="7", training_data="heard nothing", licence="CC0"
    )
    info = ModelInfo.from_metadata("x.onnx", deployable.fields)
    assert (info.name, info.version, info.training_data, info.licence) == (
        "a-b_c.1",
        "7",
        "heard nothing",
        "CC0",
    )
    assert info.segment_frames == 224
    assert "band's mean" in info.normalisation
    assert "python -m export" in info.created_by


def test_calibration_of_the_checkpoint_is_the_default(make_checkpoint: CheckpointMaker) -> None:
    deployable = from_checkpoint(make_checkpoint())
    assert deployable.name == "squeezenet1_1"
    assert deployable.network.temperature == 1.5
    assert deployable.fields["reject_threshold"] == "0.25"
    deployable = from_checkpoint(make_checkpoint(), temperature=2, reject_threshold=0.5)
    assert deployable.network.temperature == 2
    assert deployable.fields["reject_threshold"] == "0.5"
    deployable = from_checkpoint(make_checkpoint(calibration=None))
    assert deployable.network.temperature == 1
    assert deployable.fields["reject_threshold"] == ""


def test_prior_of_the_calibration_goes_into_the_graph_of_any_network(
    make_checkpoint: CheckpointMaker, made_up: Segments
) -> None:
    plain = from_checkpoint(make_checkpoint(calibration={"temperature": 2.0}))
    prior = log_prior(shares_of("collected", (*DANCE_KEYS, "other")), 2.0)
    shifted = from_checkpoint(make_checkpoint(calibration={"temperature": 2.0, "log_prior": prior}))
    before, after = (verify.torch_scores(d.network, made_up.mel[:4]) for d in (plain, shifted))
    whole = np.column_stack([before, 1 - before.sum(axis=1)]) * np.exp(np.array(prior) / 2)
    np.testing.assert_allclose(after, (whole / whole.sum(axis=1, keepdims=True))[:, :10], atol=1e-5)
    model = to_onnx(shifted.network, frames=(224,), fields=shifted.fields)
    np.testing.assert_allclose(quantise.scores_of(model, made_up.mel[:4]), after, atol=1e-5)
    outside = {n.op_type for n in model.graph.node if n.name in quantise.output_transform(model)}
    assert {"Add", "Softmax"} <= outside
    assert not outside & set(quantise.LAYERS)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"architecture": "lenet"}, "lenet"),
        ({"architecture": "resnet18"}, "do not fit"),
        ({"labels": ["salsa", "bachata"]}, "salsa, bachata: the network has 11 outputs"),
        ({"labels": ["other", *DANCE_KEYS[1:]]}, "not one of them"),
        ({"labels": []}, "not given"),
        ({"front_end": front_end() | {"hop_length": 441}}, "hop_length = 441"),
        ({"format": 99}, "no checkpoint"),
    ],
)
def test_foreign_checkpoints_are_refused(
    make_checkpoint: CheckpointMaker, entries: dict[str, Any], message: str
) -> None:
    with pytest.raises(WhichdanceError, match=message):
        from_checkpoint(make_checkpoint(**entries))


def test_missing_and_damaged_checkpoints_are_refused(make_checkpoint: CheckpointMaker) -> None:
    path = make_checkpoint()
    with pytest.raises(ModelError, match="nowhere"):
        from_checkpoint(path.with_name("nowhere.pt"))
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ModelError, match=path.name):
        from_checkpoint(path)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("temperature", 0),
        ("temperature", float("nan")),
        ("temperature", float("inf")),
        ("reject_threshold", 1.5),
        ("reject_threshold", float("nan")),
        ("name", "a/b"),
        ("name", "../up"),
        ("name", "model.onnx"),
        ("name", ".."),
        ("name", "-"),
    ],
)
def test_parameters_out_of_range_are_refused(
    make_checkpoint: CheckpointMaker, option: str, value: object
) -> None:
    with pytest.raises(ParameterError, match=option):
        from_checkpoint(make_checkpoint(), **{option: value})  # type: ignore[arg-type]
