"""Ways to aggregate scores over time: the thesis's mean, the evidence model, a recurrent network.

The thesis names a recurrent network over the segments' scores as future work (5). Here a gated recurrent
unit (Cho et al. 2014) reads the logarithms of the scores, update by update, and says which dance plays; it
is trained on sequences of generated recordings and compared with the evidence model of seven parameters on
sequences that neither has seen.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from runtime.evidence import LEAST_SCORE, Chain
from training.evaluation.metrics import expected_calibration_error
from training.following.evidence_fit import (
    NAME_AT,
    RELEASE_SHARES,
    SideBySide,
    cost,
    fit_evidence,
    named,
    posteriors,
)
from training.following.sequences import NO_SONG, Scored

UNITS = 32
EPOCHS = 60
BATCH_SEQUENCES = 16
LEARNING_RATE = 0.005
WEIGHT_DECAY = 0.02
VALIDATION = 5  # every fifth training sequence decides which epoch's weights are kept


@dataclass(frozen=True)
class WayScore:
    """How one way does on sequences that it was not fitted on.

    Attributes
    ----------
    log_loss : float
        Mean negative logarithm of the probability of what plays, nat.
    cost : float
        Of `training.following.evidence_fit.cost`, at thresholds chosen on the sequences for fitting.
    right, wrong, others_named : float
        Share of the time of the model's dances in which the right or a wrong one is named; share of the
        time of other music in which any is.
    calibration_error : float
        Expected calibration error of the dance that is named.
    parameters : int
        Fitted on the sequences.
    """

    log_loss: float
    cost: float
    right: float
    wrong: float
    others_named: float
    calibration_error: float
    parameters: int


class Recurrent(nn.Module):
    """A gated recurrent unit over log scores, (n_sequences, n_updates, n_states) to logits of that shape."""

    def __init__(self, n_states: int) -> None:
        super().__init__()
        self.unit = nn.GRU(n_states + 1, UNITS, batch_first=True)
        self.head = nn.Linear(UNITS + n_states, n_states)

    def forward(self, inputs: Tensor) -> Tensor:
        hidden, _ = self.unit(inputs)
        # what this segment says by itself is there too, so that only its correction is to be learnt
        logits: Tensor = self.head(torch.cat([hidden, inputs[..., :-1]], dim=-1))
        return logits


def compare(sequences: Sequence[Scored], *, unnamed: float, seed: int = 0) -> dict[str, WayScore]:
    """Fit each way on the even sequences and measure it on the odd ones.

    Parameters
    ----------
    sequences : sequence of Scored
    unnamed : float
        See `training.following.evidence_fit.cost`.
    seed : int
        Of the recurrent network.
    """
    fitting, held_out = SideBySide.of(sequences[::2]), SideBySide.of(sequences[1::2])
    n_states = fitting.scores.shape[2]
    evidence = fit_evidence(sequences, unnamed=unnamed).settings
    chain = Chain(evidence, n_states)
    network = _trained(sequences[::2], seed)
    ways: dict[str, tuple[Callable[[SideBySide], NDArray[np.float64]], int]] = {
        "mean (thesis 3.4)": (_means, 0),
        "evidence": (lambda batch: chain.tempered(posteriors(evidence, batch)), 5),
        "recurrent network": (
            lambda batch: _recurrent(network, batch),
            sum(p.numel() for p in network.parameters()),
        ),
    }
    return {
        name: _measured(way(fitting), fitting, way(held_out), held_out, unnamed, parameters)
        for name, (way, parameters) in ways.items()
    }


def _measured(
    fitted: NDArray[np.float64],
    fitting: SideBySide,
    probabilities: NDArray[np.float64],
    held_out: SideBySide,
    unnamed: float,
    parameters: int,
) -> WayScore:
    n_dances = probabilities.shape[2] - 1

    def price(thresholds: tuple[float, float]) -> float:
        name_at, share = thresholds
        return cost(named(fitted, name_at, share * name_at), fitting, n_dances, unnamed)

    name_at, share = min(product(NAME_AT, RELEASE_SHARES), key=price)
    names = named(probabilities, name_at, share * name_at)
    dance = np.where(names < n_dances, names, -1)
    counts = held_out.counts
    known, others = counts & (held_out.truth < n_dances), counts & (held_out.truth == n_dances)
    of_dance = counts & (dance >= 0)
    confidence = np.take_along_axis(probabilities, np.maximum(dance, 0)[..., None], axis=2)[..., 0]
    of_truth = np.take_along_axis(probabilities, np.maximum(held_out.truth, 0)[..., None], axis=2)[..., 0]
    right = dance == held_out.truth
    return WayScore(
        log_loss=float(-np.log(np.maximum(of_truth[counts], 1e-9)).mean()),
        cost=cost(names, held_out, n_dances, unnamed),
        right=float(right[known].mean()),
        wrong=float(((dance >= 0) & ~right)[known].mean()),
        others_named=float((dance >= 0)[others].mean()) if others.any() else float("nan"),
        calibration_error=expected_calibration_error(confidence[of_dance], right[of_dance]),
        parameters=parameters,
    )


def _means(batch: SideBySide) -> NDArray[np.float64]:
    """The incremental mean of all scores so far."""
    weights = (batch.seconds > 0).astype(np.float64)
    weights[0] = 1
    means: NDArray[np.float64] = np.cumsum(batch.scores * weights, axis=0) / np.cumsum(weights, axis=0)
    return means


def _inputs(batch: SideBySide) -> Tensor:
    log = np.log(np.maximum(batch.scores, LEAST_SCORE))
    new = np.log1p(np.maximum(batch.passed - batch.seconds, 0))  # a pause before the segment
    return torch.from_numpy(np.concatenate([log, new], axis=2).astype(np.float32)).transpose(0, 1)


def _recurrent(network: Recurrent, batch: SideBySide) -> NDArray[np.float64]:
    network.eval()
    with torch.inference_mode():
        probabilities: NDArray[np.float64] = (
            network(_inputs(batch)).softmax(dim=-1).transpose(0, 1).double().numpy()
        )
    return probabilities


def _trained(sequences: Sequence[Scored], seed: int) -> Recurrent:
    """A recurrent network, of the epoch with the lowest loss on every fifth of the sequences."""
    torch.manual_seed(seed)
    validation = SideBySide.of(sequences[::VALIDATION])
    training = SideBySide.of([s for i, s in enumerate(sequences) if i % VALIDATION])
    network = Recurrent(training.scores.shape[2])
    optimizer = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    inputs, truth = _inputs(training), torch.from_numpy(training.truth).transpose(0, 1)
    checks, check_truth = _inputs(validation), torch.from_numpy(validation.truth).transpose(0, 1)
    loss_of = nn.CrossEntropyLoss(ignore_index=NO_SONG)
    lowest, kept = float("inf"), {k: v.clone() for k, v in network.state_dict().items()}
    for _ in range(EPOCHS):
        network.train()
        for rows in torch.randperm(len(inputs)).split(BATCH_SEQUENCES):
            loss = loss_of(network(inputs[rows]).transpose(1, 2), truth[rows])
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
        network.eval()
        with torch.inference_mode():
            reached = float(loss_of(network(checks).transpose(1, 2), check_truth))
        if reached < lowest:
            lowest, kept = reached, {k: v.clone() for k, v in network.state_dict().items()}
    network.load_state_dict(kept)
    return network
