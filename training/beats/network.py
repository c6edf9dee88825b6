"""From mel frames to activations of beat and downbeat, causal but for a short look-ahead.

A small convolutional front end sees what rises and how the spectrum is shaped. Beside it another one, of
narrow bands, sees where chords and bass notes change: drums tell beats, but of two beats half a bar apart it
is harmony that tells which one is the first (Goto 2001). A temporal network follows the metre. Two of these
can be chosen: dilated causal convolutions (a TCN, as in Davies and Böck 2019), or a recurrent network of
gated units (GRU, Cho et al. 2014). All that a frame needs of its past passes through one vector of state, so
that a stream in chunks and a whole recording give the same activations.

The network is told which dance it may be: a drum on the second beat of a samba is no downbeat, and a cha cha
cha counts half as fast as it sounds. What is told scales and shifts the channels of every layer over time
(Perez et al. 2018, FiLM); told nothing, it listens without.
"""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from runtime.beat_activations import FEATURE_BANDS, HARMONY_BANDS, LOOK_AHEAD, N_FEATURES
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
WIDTH = 40  # channels of the temporal network
TONES = 6, 12  # channels of the layers that see chords
CHANGE = 8  # frames, 0.19 s, between what these compare
DILATIONS = (1, 2, 4, 8, 16, 32, 64, 128)  # with kernels of 5 frames: 24 s of past
KERNEL = 5
DROPOUT = 0.05

__all__ = ["KINDS", "LOOK_AHEAD", "OUTPUTS", "BeatNetwork"]


class _Memory:
    """Hands every layer what it kept of its past, and gathers what it keeps for later.

    Pieces of the state are taken in the order in which they were kept; of silence, before there is a state,
    there are none.
    """

    def __init__(self, pieces: Sequence[Tensor] | None) -> None:
        self._pieces = None if pieces is None else iter(pieces)
        self._kept: list[Tensor] = []

    def take(self, like: Tensor, *shape: int) -> Tensor:
        """The next piece of the state, (n, *shape)."""
        if self._pieces is None:
            return like.new_zeros(len(like), *shape)
        return next(self._pieces).reshape(-1, *shape)

    def keep(self, tensor: Tensor) -> None:
        self._kept.append(tensor.flatten(1))

    def with_past(self, x: Tensor, frames: int) -> Tensor:
        """`x`, time last, behind the `frames` frames before it."""
        together = torch.cat([self.take(x, *x.shape[1:-1], frames), x], dim=-1)
        self.keep(together[..., -frames:])
        return together

    @property
    def sizes(self) -> list[int]:
        return [kept.shape[1] for kept in self._kept]

    @property
    def state(self) -> Tensor:
        return torch.cat(self._kept, dim=1)


class _FrontEnd(nn.Module):
    """Log power of pooled bands and its rise, (n, 56, T), to channels of features, (n, WIDTH, T)."""

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


class _Harmony(nn.Module):
    """Log power of narrow bands, (n, 72, T), to channels that tell what tones change, (n, WIDTH, T)."""

    def __init__(self) -> None:
        super().__init__()
        tones, changes = TONES
        self.tones = nn.Conv2d(1, tones, (5, 5), padding=(2, 0))
        self.tones_norm = nn.BatchNorm2d(tones)
        self.changes = nn.Conv2d(tones, changes, (3, 3), stride=(2, 1), padding=(1, 0), dilation=(1, CHANGE))
        self.changes_norm = nn.BatchNorm2d(changes)
        self.last = nn.Conv1d(changes * (HARMONY_BANDS // 4), WIDTH, 1)
        self.last_norm = nn.BatchNorm1d(WIDTH)
        self.dropout = nn.Dropout1d(DROPOUT)

    def forward(self, x: Tensor, memory: _Memory) -> Tensor:
        y = (0.3 * (x - x.mean(dim=1, keepdim=True)))[:, None]
        y = functional.elu(self.tones_norm(self.tones(memory.with_past(y, 4))))
        y = functional.elu(_halved(self.changes_norm(self.changes(memory.with_past(y, 2 * CHANGE)))))
        return cast(Tensor, self.dropout(functional.elu(self.last_norm(self.last(y.flatten(1, 2))))))


def _halved(x: Tensor) -> Tensor:
    """The larger of two neighbouring bands, (n, channels, bands, T); quicker than torch's pooling here."""
    return torch.maximum(x[:, :, ::2], x[:, :, 1::2])


class _Told(nn.Module):
    """By what is told of the dance, (n, dances), channels are scaled and shifted."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(len(DANCES_TOLD), 2 * width)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)


def _told(layers: Sequence[_Told], dances: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Scale and shift of each layer's channels, (n, width, 1): one product for all of them."""
    weights, biases, sizes = [], [], []
    for told in layers:
        half = told.linear.out_features // 2
        weights.append(told.linear.weight)
        biases += [1 + told.linear.bias[:half], told.linear.bias[half:]]
        sizes += [half, half]
    both = functional.linear(dances, torch.cat(weights), torch.cat(biases))[..., None].split(sizes, dim=1)
    return list(zip(both[::2], both[1::2], strict=True))


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

    def forward(self, x: Tensor, told: tuple[Tensor, Tensor], memory: _Memory) -> Tensor:
        scale, shift = told
        y = self.norm(self.dilated(memory.with_past(x, self.past)))
        y = functional.elu(y * scale + shift)
        return x + cast(Tensor, self.mix(self.dropout(y)))


class _Convolutions(nn.Module):
    width = WIDTH

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(_Block(d) for d in DILATIONS)

    def forward(self, x: Tensor, dances: Tensor, memory: _Memory) -> Tensor:
        blocks = cast(Sequence[_Block], self.blocks)
        for block, told in zip(blocks, _told([b.told for b in blocks], dances), strict=True):
            x = block(x, told, memory)
        return x


class _Recurrent(nn.Module):
    width = 64

    def __init__(self) -> None:
        super().__init__()
        self.told = nn.ModuleList([_Told(WIDTH), _Told(self.width)])
        self.first = nn.GRU(WIDTH, self.width, batch_first=True)
        self.second = nn.GRU(self.width, self.width, batch_first=True)

    def forward(self, x: Tensor, dances: Tensor, memory: _Memory) -> Tensor:
        told = _told(cast(Sequence[_Told], self.told), dances)
        for (scale, shift), layer in zip(told, (self.first, self.second), strict=True):
            hidden = memory.take(x, self.width)[None]
            y, hidden = layer((x * scale + shift).transpose(1, 2), hidden)
            memory.keep(hidden[0])
            x = y.transpose(1, 2)
        return x


class BeatNetwork(nn.Module):
    """Activations of beat and downbeat.

    Parameters
    ----------
    kind : str
        'tcn' or 'gru'.
    harmony : bool
        Whether it sees where chords change; for comparison without.
    """

    def __init__(self, kind: str = "tcn", *, harmony: bool = True) -> None:
        super().__init__()
        if kind not in KINDS:
            raise ParameterError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
        self.kind = kind
        self.front_end = _FrontEnd()
        self.harmony = _Harmony() if harmony else None
        self.temporal = _Convolutions() if kind == "tcn" else _Recurrent()
        self.head = nn.Conv1d(self.temporal.width, len(OUTPUTS), 1)
        nn.init.constant_(cast(Tensor, self.head.bias), -3.0)  # beats are rare
        self._sizes = self._measured()
        self.state_size = sum(self._sizes)

    @property
    def described(self) -> str:
        """Its kind in words."""
        return self.kind if self.harmony is not None else f"{self.kind} without harmony"

    def _measured(self) -> list[int]:
        """Numbers in each piece of the state."""
        before = self.training
        self.eval()
        memory = _Memory(None)
        with torch.no_grad():
            self._heard(torch.zeros(1, N_FEATURES, 1), torch.zeros(1, len(DANCES_TOLD)), memory)
        self.train(before)
        return memory.sizes

    def forward(self, features: Tensor, dances: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Logits, and the state that the next frames need.

        Parameters
        ----------
        features : Tensor, shape (n, 128, T)
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
        memory = _Memory(state.split(self._sizes, dim=1))
        return self._heard(features, dances, memory), memory.state

    def _heard(self, features: Tensor, dances: Tensor, memory: _Memory) -> Tensor:
        pooled, narrow = features.split([FEATURE_BANDS, HARMONY_BANDS], dim=1)
        x = self.front_end(pooled, memory)
        if self.harmony is not None:
            x = x + self.harmony(narrow, memory)
        return cast(Tensor, self.head(self.temporal(x, dances, memory)))

    def initial_state(self, n: int) -> Tensor:
        return torch.zeros(n, self.state_size)
