"""Losses on pairs, against the papers' sums written out."""

import math

import pytest
import torch
from torch.nn import functional

from training.learning.consistency import CLOSENESS, contrastive_loss, output_loss


def test_contrast_is_the_papers_sum() -> None:
    torch.manual_seed(1)
    half = [0, 2, 1, 2]
    targets = half + half
    features = torch.randn(8, 5)
    z = [(f / f.norm()).tolist() for f in features]

    def closeness(i: int, j: int) -> float:
        return math.exp(sum(a * b for a, b in zip(z[i], z[j], strict=True)) / CLOSENESS)

    total = 0.0
    for i in range(8):
        companions = [p for p in range(8) if p != i and targets[p] == targets[i]]
        others = sum(closeness(i, a) for a in range(8) if a != i)
        total -= sum(math.log(closeness(i, p) / others) for p in companions) / len(companions)
    assert contrastive_loss(features, torch.tensor(targets)).item() == pytest.approx(total / 8, rel=1e-5)


def test_contrast_falls_as_classes_part_and_no_gradient_is_lost_to_infinities() -> None:
    targets = torch.tensor([0, 1, 0, 1])
    apart = torch.tensor([[1.0, 0.0], [0.0, 1.0]]).repeat(2, 1)
    mixed = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0], [1.0, 0.0]], requires_grad=True)
    loss = contrastive_loss(mixed, targets)
    assert contrastive_loss(apart, targets) < 0.01 < 1 < loss
    loss.backward()
    assert mixed.grad is not None
    assert mixed.grad.isfinite().all()


def test_the_hall_learns_from_the_clean_output_and_not_the_other_way_round() -> None:
    torch.manual_seed(2)
    logits = torch.randn(2, 6, 4, requires_grad=True)  # two branches, three pairs
    loss = output_loss(logits.log_softmax(dim=2))
    p = logits.detach().softmax(dim=2)
    written_out = [
        sum(p[b, i, c] * (p[b, i, c] / p[b, i + 3, c]).log() for c in range(4))
        for b in range(2)
        for i in range(3)
    ]
    assert loss.item() == pytest.approx(float(sum(written_out)) / 6, rel=1e-5)
    loss.backward()
    assert logits.grad is not None
    assert not logits.grad[:, :3].any()
    assert logits.grad[:, 3:].any()
    same = functional.log_softmax(torch.randn(1, 3, 4), dim=2).repeat(1, 2, 1)
    assert output_loss(same).item() == pytest.approx(0, abs=1e-6)
