"""Batches as they leave the loading processes."""

import pytest
import torch
from torch.utils.data import DataLoader

from training.data.codec import STORED
from training.data.store import Stored
from training.learning.augment import Augmentation
from training.learning.hall import Hall
from training.learning.prepared import Prepared, ReadyBatch, as_input, decoded, pictures_of
from training.learning.sampler import Batches
from training.networks.inputs import Decibels
from training.networks.models import build

LABELS = ("rumba", "quickstep", "viennese_waltz")
CALM = Augmentation()


def prepared(stored: tuple[Stored, ...], network: torch.nn.Module, **options: float) -> Prepared:
    hall = Hall(options.get("hall", 0.0))
    batches = Batches(stored, LABELS, batch_size=6, seed=int(options.get("seed", 0)), context=hall.context)
    augment = Augmentation(tilt=2, noise=0.5, mask=0.5) if options.get("augment") else CALM
    return Prepared(batches, hall, augment, pictures_of(network))


@pytest.fixture
def network() -> torch.nn.Module:
    return build("rhythmogram", classes=LABELS, branches=("acf", "mel"), trunk="dense", width=0.25).eval()


def test_pictures_give_what_the_network_makes_of_the_stored_power(
    stored: tuple[Stored, ...], network: torch.nn.Module
) -> None:
    ready = prepared(stored, network)
    codes, targets = ready.batches[3]
    power = torch.from_numpy(STORED.decode(codes.numpy()))  # as evaluation decodes
    torch.testing.assert_close(decoded(codes), power, rtol=1e-4, atol=0)
    batch = ready[3]
    assert torch.equal(batch.targets, targets)
    with torch.no_grad():
        expected = network(as_input(decoded(codes)))
        torch.testing.assert_close(network.of_pictures(*batch.pictures), expected)


def test_a_function_of_seed_and_number_whoever_loads(
    stored: tuple[Stored, ...], network: torch.nn.Module
) -> None:
    def pictures(workers: int, seed: int = 0) -> list[torch.Tensor]:
        ready = prepared(stored, network, hall=0.7, augment=True, seed=seed)
        loader = DataLoader(ready, batch_size=None, sampler=range(2, 5), num_workers=workers)
        return [batch.pictures[1] for batch in loader]

    torch.manual_seed(5)
    alone = pictures(0)
    torch.manual_seed(6)
    assert all(torch.equal(a, b) for a, b in zip(alone, pictures(2), strict=True))
    assert not torch.equal(alone[0], alone[1])
    assert not torch.equal(alone[0], pictures(0, seed=1)[0])


def test_what_the_network_draws_does_not_depend_on_what_is_loaded(
    stored: tuple[Stored, ...], network: torch.nn.Module
) -> None:
    ready = prepared(stored, network, hall=1.0, augment=True)
    before = torch.random.get_rng_state()
    ready[0]
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_batch_moves_to_a_device() -> None:
    batch = ReadyBatch((torch.ones(2), torch.ones(3)), torch.zeros(2), torch.ones(2, 4))
    moved = batch.to(torch.device("meta"))
    assert {x.device.type for x in (*moved.pictures, moved.targets, moved.taught)} == {"meta"}
    assert ReadyBatch((torch.ones(1),), torch.ones(1)).to(torch.device("meta")).taught is None


def test_a_network_without_images_of_its_own_gets_power() -> None:
    power = torch.rand(1, 1, 224, 224)
    assert pictures_of(torch.nn.Linear(1, 1))(power)[0] is power
    assert pictures_of(build("mobilenet_v3_small"))(power)[0].shape == (1, 1, 224, 224)
    assert isinstance(build("mobilenet_v3_small").images["image"].decibels, Decibels)


def test_pairs_are_the_same_segments_as_they_are_and_in_a_hall(
    stored: tuple[Stored, ...], network: torch.nn.Module
) -> None:
    hall = Hall(1.0)
    batches = Batches(stored, LABELS, batch_size=6, context=hall.context)
    batch = Prepared(batches, hall, CALM, pictures_of(network), paired=True)[2]
    codes, targets = batches[2]
    assert torch.equal(batch.targets, targets.repeat(2))
    with torch.no_grad():
        as_they_are = pictures_of(network)(as_input(decoded(codes)[:, hall.context :]))
    for both, clean in zip(batch.pictures, as_they_are, strict=True):
        torch.testing.assert_close(both[:6], clean)
        difference = (both[6:] - clean).abs().flatten(1).mean(dim=1)
        assert (difference > 0.01 * clean.abs().mean()).all()
