"""How sure a taught head may be, fitted to recordings by heads that were taught without them.

Few recordings cannot tell much: all values are held at what they were by a penalty that is worth so many
recordings.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from runtime.dances import OTHER
from runtime.evidence import Chain, EvidenceSettings
from runtime.mel import FRAME_RATE
from runtime.rehearsal import uniform
from runtime.segments import DEFAULT_STRIDE

Logs = NDArray[np.float64]  # of the scores of a recording's segments, (n, n_labels)

LEAST = 1e-4  # of a probability
SHRINKAGE = 20.0  # recordings that hold the values at what they were
TEMPERATURES = np.exp(np.linspace(-1.5, 1.5, 41))  # what each may be multiplied by, or
WEIGHTS = (0.5, 0.7, 1.0, 1.4, 2.0)
BIASES = (-1.0, -0.5, 0.0, 0.5, 1.0)  # what may be added
SEQUENCES = 48
SONGS = 3  # in a sequence
HEARD = 8  # segments of each song


def log_softmax(logits: Logs) -> Logs:
    """Along the last axis."""
    apart = logits - logits.max(axis=-1, keepdims=True)
    logs: Logs = apart - np.log(np.exp(apart).sum(axis=-1, keepdims=True))
    return logs


def spread_over(n: int, most: int) -> NDArray[np.int64]:
    """At most `most` of `n` places, evenly spread, the first and the last among them."""
    kept = min(n, most)
    places: NDArray[np.int64] = np.floor(np.linspace(0, n - 1, kept) + 0.5).astype(np.int64)
    return places


def temperature(logs: Sequence[Logs], truth: Sequence[int]) -> float:
    """Divides the logits so that held-out recordings are likeliest (Guo et al. 2017).

    Parameters
    ----------
    logs : sequence of ndarray, shape (n, n_labels)
    truth : sequence of int
        Column of each recording's label.
    """
    losses = []
    for factor in TEMPERATURES:
        loss = SHRINKAGE * math.log(factor) ** 2
        for z, t in zip(logs, truth, strict=True):
            loss -= float(np.maximum(log_softmax(z / factor)[:, t], math.log(LEAST)).mean())
        losses.append(loss)
    return float(TEMPERATURES[int(np.argmin(losses))])


def evidence(
    settings: EvidenceSettings, logs: Sequence[Logs], truth: Sequence[int], labels: Sequence[str]
) -> EvidenceSettings:
    """Weight, bias of 'none of these' and temperature of the evidence, on sequences of held-out recordings.

    Parameters
    ----------
    settings : EvidenceSettings
        Of the shipped model.
    logs : sequence of ndarray, shape (n, n_labels)
        Logarithms of scores of each recording's segments, by a head that was taught without it.
    truth : sequence of int
        Column of each recording's label.
    labels : sequence of str
        Of the columns; 'other' last where it is one.
    """
    n_states = len([label for label in labels if label != OTHER]) + 1
    scores = np.zeros((len(logs), HEARD, n_states))
    seconds = np.zeros((len(logs), HEARD, 1))
    for i, own in enumerate(logs):
        rows = spread_over(len(own), HEARD)
        scores[i, : len(rows), : len(labels)] = np.exp(own[rows])
        seconds[i, : len(rows)] = DEFAULT_STRIDE / FRAME_RATE
    songs = np.floor(uniform(0, SEQUENCES * SONGS) * len(logs)).astype(int).reshape(SEQUENCES, SONGS)
    states = np.asarray(truth)[songs].repeat(HEARD, axis=1)  # (sequences, songs · segments)
    counts = (seconds > 0).sum(axis=1, keepdims=True)
    shares = ((seconds > 0) / counts)[songs].reshape(SEQUENCES, -1)
    shares *= len(logs) / shares.sum()  # sequences tell no more than the recordings that they are of
    best, least = settings, math.inf
    for weight, bias in product(WEIGHTS, BIASES):
        tried = replace(settings, weight=settings.weight * weight, none_bias=settings.none_bias + bias)
        followed = _followed(tried, scores[songs], seconds[songs])
        held = SHRINKAGE * (math.log(weight) ** 2 + bias**2)
        for factor in TEMPERATURES:
            said = log_softmax(followed / (settings.temperature * factor))
            of_truth = np.take_along_axis(said, states[..., None], axis=2)[..., 0]
            loss = -float((shares * np.maximum(of_truth, math.log(LEAST))).sum())
            loss += held + SHRINKAGE * math.log(factor) ** 2
            if loss < least - 1e-9:
                least = loss
                best = replace(tried, temperature=settings.temperature * float(factor))
    return best


def _followed(
    settings: EvidenceSettings, scores: NDArray[np.float64], seconds: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Logarithms of the probabilities after each segment of sequences of songs.

    Parameters
    ----------
    settings : EvidenceSettings
    scores : ndarray, shape (n_sequences, n_songs, n_segments, n_states)
    seconds : ndarray, shape (n_sequences, n_songs, n_segments, 1)
        New sound in each segment; 0 where a song has no more.

    Returns
    -------
    ndarray, shape (n_sequences, n_songs · n_segments, n_states)
    """
    n_states = scores.shape[-1]
    chain = Chain(settings, n_states)
    p = np.repeat(chain.start()[:, None], len(scores), axis=1)
    found = []
    for own, new in zip(
        scores.reshape(len(scores), -1, n_states).swapaxes(0, 1),
        seconds.reshape(len(scores), -1, 1).swapaxes(0, 1),
        strict=True,
    ):
        p = chain.after(p, new) * np.exp(chain.log_evidence(own, new))
        p /= p.sum(axis=(0, 2), keepdims=True)
        found.append(np.log(np.maximum(p.sum(axis=0), 1e-12)))
    return np.stack(found, axis=1)
