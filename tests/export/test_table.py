"""The table of all architectures in the documentation."""

from pathlib import Path

import pytest
import torch

from export import table
from export.segments import Segments
from runtime.errors import ModelError


def test_only_what_stands_between_the_marks_is_replaced(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"# Before\n\n{table.START}\nold\n{table.END}\n\nAfter: é\n", "utf-8")
    for text in ("new", "newer"):
        table.put_into(page, text)
        assert page.read_text("utf-8") == (
            f"# Before\n\n{table.START}\n\n{text}\n\n{table.END}\n\nAfter: é\n"
        )
    for damaged in ("no marks", f"{table.START}\n{table.START}\n{table.END}", f"{table.END}{table.START}"):
        page.write_text(damaged)
        with pytest.raises(ModelError, match=r"page\.md"):
            table.put_into(page, "new")
        assert page.read_text() == damaged


def test_a_network_that_was_never_trained_is_sure_of_different_classes(made_up: Segments) -> None:
    network = table.stand_in("squeezenet1_1", made_up.mel)
    with torch.inference_mode():
        scores = network(torch.from_numpy(made_up.mel)).softmax(dim=1)
    assert len(set(scores.argmax(dim=1).tolist())) >= 5
    assert scores.amax(dim=1).median() > 0.5
