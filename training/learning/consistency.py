"""The same music means the same in a hall: losses on pairs of a segment as it is and in a hall.

A batch of pairs holds n segments as they are, and then the same n in a hall, in the same order.
"""

import torch
from torch import Tensor
from torch.nn import functional

CLOSENESS = 0.1  # temperature of the contrast, as in Khosla et al. 2020, section 4.4


def output_loss(log_probabilities: Tensor) -> Tensor:
    """How far the outputs in the hall are from those without it, which are the target and do not move.

    Parameters
    ----------
    log_probabilities : Tensor, shape (branches, 2 n, classes)

    Returns
    -------
    Tensor
        Mean Kullback–Leibler divergence, nat.
    """
    clean, heard = log_probabilities.chunk(2, dim=1)
    return functional.kl_div(heard, clean.detach(), reduction="none", log_target=True).sum(dim=2).mean()


def contrastive_loss(features: Tensor, targets: Tensor) -> Tensor:
    """Supervised contrast (Khosla et al. 2020, equation 2): segments of a class are near, others are not.

    Parameters
    ----------
    features : Tensor, shape (2 n, n_features)
    targets : Tensor, shape (2 n,)
        Class indices. Each comes at least twice, since a segment is there in a hall as well.

    Returns
    -------
    Tensor
        Mean negative log-likelihood of a segment's companions among all others, nat.
    """
    points = functional.normalize(features.float(), dim=1)
    itself = torch.eye(len(points), dtype=torch.bool, device=points.device)
    similarity = (points @ points.T / CLOSENESS).masked_fill(itself, -torch.inf)
    companions = (targets[:, None] == targets) & ~itself
    log_p = similarity.log_softmax(dim=1).masked_fill(~companions, 0.0)
    return -(log_p.sum(dim=1) / companions.sum(dim=1)).mean()
