"""What figures were measured on, and that it tells nobody whose machine it is."""

import json
import os
import platform
import re

import pytest

from benchmarks import machine


def test_nothing_tells_whose_machine_it_is() -> None:
    found = machine.describe()
    text = json.dumps(found)
    for private in (platform.node(), os.path.expanduser("~"), os.getcwd()):
        assert private not in text
    assert found["cores"] == machine.cores() >= 1
    assert found["memory_gb"] >= 1
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*-\d+-cores", machine.slug())


def test_what_linux_says_of_a_processor_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"model name": "Abacus(R) 3000 @ 2 Beads", "Features": "fp asimd asimddp"}
    monkeypatch.setattr(machine, "_cpuinfo", told.get)
    monkeypatch.setattr(machine, "cores", lambda: 7)
    assert machine.cpu_name() == "Abacus(R) 3000 @ 2 Beads"
    assert machine.slug() == "abacus-r-3000-2-beads-7-cores"
    assert "asimddp" in machine.cpu_flags()
