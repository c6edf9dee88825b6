"""What the command offers is what the modules measure."""

import importlib
import inspect
import pkgutil

import pytest

import benchmarks
from benchmarks.catalogue import BENCHMARKS, REQUIRED


@pytest.mark.parametrize("name", BENCHMARKS)
def test_options_are_parameters_of_the_module(name: str) -> None:
    measures = importlib.import_module(f"benchmarks.{name}").run
    parameters = inspect.signature(measures).parameters
    _, options = BENCHMARKS[name]
    assert {option.replace("-", "_") for option in options} <= parameters.keys()
    required = [key for key, parameter in parameters.items() if parameter.default is parameter.empty]
    assert required == [option for option in REQUIRED if option in options]


def test_every_module_that_measures_is_offered() -> None:
    modules = [module.name for module in pkgutil.iter_modules(benchmarks.__path__) if module.name[0] != "_"]
    measuring = {name for name in modules if hasattr(importlib.import_module(f"benchmarks.{name}"), "run")}
    assert {name for name in measuring if name != "cli"} == set(BENCHMARKS)
