"""From mel frames to activations of beat and downbeat, causal but for a short look-ahead.

A small convolutional front end sees what rises and how the spectrum is shaped; a temporal network follows the
metre. Two of these can be chosen: dilated causal convolutions (a TCN, as in Davies and Böck 2019), or a
recurrent network of gated units (GRU, Cho et al. 2014). All that a frame needs of its past passes through one
vector of state, so that a stream in chunks and a whole recording give the same activations.

The network is told which dance it may be: a drum on the second beat of a samba is no downbeat, and a cha cha
cha counts half as fast as it sounds. What is told scales and shifts the channels of every layer over time
(Perez et al. 2018, FiLM); told nothing, it listens without.
"""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from runtime.beat_activations import FEATURE_BANDS, LOOK_AHEAD
from runtime.dances import DANCE_KEYS, OTHER
from runtime.errors import ParameterError

KINDS = ("tcn", "gru")
# What a network is told the probabilities of; a part of what it is, so that new dances change no old network.
DANCES_TOLD = (
    *DANCE_KEYS,
    *("bachata", "salsa", "merengue", "cumbia", "zouk", "west_coast_swing", "discofox"),
    *("nightclub_two_step", "country_two_step", "country_triple_two", "polka"),
    *("mambo", "east_coast_swing", "lindy_hop", "charleston", "argentine_tango", "vals", "milonga"),
    OTHER,
)
OUTPUTS = ("beat", "downbeat")
WIDTH = 32  # channels of the temporal network
DILATIONS = (1, 2, 4, 8, 16, 32, 64, 128)  # with kernels of 5 frames: 24 s of past
KERNEL = 5
DROPOUT = 0.05

__all__ = ["KINDS", "LOOK_AHEAD", "OUTPUTS", "BeatNetwork"]


class _Memory:
    """Hands every layer what it kept of its past, and gathers what it keeps for later."""

    def __init__(self, state: Tensor) -> None:
        self._state = state
        self._taken = 0
        self._kept: list[Tensor] = []

    def take(self, *shape: int) -> Tensor:
        """The next piece of the state, (n, *shape)."""
        size = int(torch.Size(shape).numel())
        piece = self._state[:, self._taken : self._taken + size]
        self._taken += size
        return piece.reshape(-1, *shape)

    def keep(self, tensor: Tensor) -> None:
        self._kept.append(tensor.flatten(1))

    def with_past(self, x: Tensor, frames: int) -> Tensor:
        """`x`, time last, behind the `frames` frames before it."""
        together = torch.cat([self.take(*x.shape[1:-1], frames), x], dim=-1)
        self.keep(together[..., -frames:])
        return together

    @property
    def state(self) -> Tensor:
        return torch.cat(self._kept, dim=1)


class _FrontEnd(nn.Module):
    """Log power and its rise, (n, 56, T), to channels of features, (n, WIDTH, T)."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(2, 12, (5, 3), stride=(2, 1), padding=(2, 0))
        self.first_norm = nn.BatchNorm2d(12)
        self.second = nn.Conv2d(12, 24, (3, 3), padding=(1, 0))
        self.second_norm = nn.BatchNorm2d(24)
        self.last = nn.Conv1d(24 * (FEATURE_BANDS // 8), WIDTH, 1)
        self.last_norm = nn.BatchNorm1d(WIDTH)
        self.dropout = nn.Dropout1d(DROPOUT)

    def forward(self, x: Tensor, memory: _Memory) -> Tensor:
        rise = torch.diff(memory.with_past(x, 1), dim=-1)
        shape = x - x.mean(dim=1, keepdim=True)
        y = torch.stack([rise, 0.3 * shape], dim=1)
        y = functional.elu(_halved(self.first_norm(self.first(memory.with_past(y, 2)))))
        y = functional.elu(_halved(self.second_norm(self.second(memory.with_past(y, 2))))).flatten(1, 2)
        return cast(Tensor, self.dropout(functional.elu(self.last_norm(self.last(y)))))


def _halved(x: Tensor) -> Tensor:
    """The larger of two neighbouring bands, (n, channels, bands, T); quicker than torch's pooling here."""
    return torch.maximum(x[:, :, ::2], x[:, :, 1::2])


class _Told(nn.Module):
    """Scales and shifts channels, (n, width, T), by what is told of the dance, (n, dances)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(len(DANCES_TOLD), 2 * width)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, x: Tensor, dances: Tensor) -> Tensor:
        scale, shift = self.linear(dances)[..., None].chunk(2, dim=1)
        return x * (1 + scale) + shift


class _Block(nn.Module):
    """A residual block of one dilated causal convolution."""

    def __init__(self, dilation: int) -> None:
        super().__init__()
        self.past = (KERNEL - 1) * dilation
        self.dilated = nn.Conv1d(WIDTH, WIDTH, KERNEL, dilation=dilation)
        self.norm = nn.BatchNorm1d(WIDTH)
        self.told = _Told(WIDTH)
        self.mix = nn.Conv1d(WIDTH, WIDTH, 1)
        self.dropout = nn.Dropout1d(DROPOUT)

    def forward(self, x: Tensor, dances: Tensor, memory: _Memory) -> Tensor:
        y = self.norm(self.dilated(memory.with_past(x, self.past)))
        y = functional.elu(self.told(y, dances))
        return x + cast(Tensor, self.mix(self.dropout(y)))


class _Convolutions(nn.Module):
    width = WIDTH

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(_Block(d) for d in DILATIONS)

    def forward(self, x: Tensor, dances: Tensor, memory: _Memory) -> Tensor:
        for block in self.blocks:
            x = block(x, dances, memory)
        return x


class _Recurrent(nn.Module):
    width = 64

    def __init__(self) -> None:
        super().__init__()
        self.told = nn.ModuleList([_Told(WIDTH), _Told(self.width)])
        self.first = nn.GRU(WIDTH, self.width, batch_first=True)
        self.second = nn.GRU(self.width, self.width, batch_first=True)

    def forward(self, x: Tensor, dances: Tensor, memory: _Memory) -> Tensor:
        for told, layer in zip(self.told, (self.first, self.second), strict=True):
            hidden = memory.take(self.width)[None]
            y, hidden = layer(told(x, dances).transpose(1, 2), hidden)
            memory.keep(hidden[0])
            x = y.transpose(1, 2)
        return x


class BeatNetwork(nn.Module):
    """Activations of beat and downbeat.

    Parameters
    ----------
    kind : str
        'tcn' or 'gru'.
    """

    def __init__(self, kind: str = "tcn") -> None:
        super().__init__()
        if kind not in KINDS:
            raise ParameterError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
        self.kind = kind
        self.front_end = _FrontEnd()
        self.temporal = _Convolutions() if kind == "tcn" else _Recurrent()
        self.head = nn.Conv1d(self.temporal.width, len(OUTPUTS), 1)
        nn.init.constant_(cast(Tensor, self.head.bias), -3.0)  # beats are rare
        self.state_size = self._measured()

    def _measured(self) -> int:
        """Numbers in the state: by taking it from zeros that are more than enough."""
        before = self.training
        self.eval()
        with torch.no_grad():
            told = torch.zeros(1, len(DANCES_TOLD))
            _, state = self(torch.zeros(1, FEATURE_BANDS, 1), told, torch.zeros(1, 1_000_000))
        self.train(before)
        return state.shape[1]

    def forward(self, features: Tensor, dances: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Logits, and the state that the next frames need.

        Parameters
        ----------
        features : Tensor, shape (n, 56, T)
            As `runtime.beat_activations.BeatFeatures`, time last.
        dances : Tensor, shape (n, len(DANCES_TOLD))
            Probabilities; zeros where nothing is known.
        state : Tensor, shape (n, state_size)
            Zeros at the start.

        Returns
        -------
        logits : Tensor, shape (n, 2, T)
            Beat and downbeat of the frame `LOOK_AHEAD` frames earlier.
        state : Tensor
        """
        memory = _Memory(state)
        x = self.temporal(self.front_end(features, memory), dances, memory)
        return self.head(x), memory.state

    def initial_state(self, n: int) -> Tensor:
        return torch.zeros(n, self.state_size)
