"""`benchmarks/README.md`, made from the files of results."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.catalogue import BENCHMARKS
from benchmarks.report import Section, markdown, read_results
from runtime.atomic import replacing
from runtime.errors import WhichdanceError

HEAD = """\
# Benchmarks

<!-- Written by `python -m benchmarks readme` from the files in results/; do not edit. -->

What whichdance takes in time and memory, each figure beside a peer measured in the same run, in turn with it.
Measure your own machine:

```
pip install -c constraints.txt '.[bench]'
python -m benchmarks frontend                         # one of the benchmarks below
python -m benchmarks frontend --json > frontend.json
python -m benchmarks endtoend --figures figures --save
python -m benchmarks live --against HEAD~20           # two commits of ours, in turn
python -m benchmarks readme                           # this page anew
```

Accuracy under stress needs recordings; those of the tables below are generated:

```
python -m training corpus CORPUS --hours 2.8 --seconds 245 --seed 20261122 --other-share 0
python -m benchmarks stress --manifest CORPUS/manifest.csv@all --save
```

Times are medians of the stated number of runs ± half the distance of the quartiles. Ratios are medians of
the ratios within each run. A load average above the number of cores says that the machine had other work:
then compare the ratios, not the times. `results/` holds one JSON file per machine, with everything shown here
in full.
"""


def write_page(results: Path, output: Path) -> None:
    """Write the page from all files of results.

    Raises
    ------
    WhichdanceError
        If there are none, or one cannot be read.
    """
    files = sorted(results.glob("*.json"), reverse=True)
    if not files:
        raise WhichdanceError(f"{results}: no results there; measure with `python -m benchmarks all --save`")
    parts = [HEAD] + [_machine(read_results(path), path.name) for path in files]
    with replacing(output) as temporary:
        temporary.write_text("\n".join(parts), "utf-8")


def _machine(data: Mapping[str, Any], file: str) -> str:
    machine = data["machine"]
    gpu = f", {machine['gpu']}" if machine["gpu"] else ""
    lines = [
        f"# {machine['cpu']}, {machine['cores']} cores, {machine['memory_gb']} GB{gpu}",
        "",
        f"{machine['system']}, Python {machine['python']}, {_versions(machine['versions'])}; "
        f"BLAS: {', '.join(machine['blas'])}. From [results/{file}](results/{file}).",
        "",
    ]
    sections = data["sections"]
    for benchmark in BENCHMARKS:
        for name in (n for n in sections if n.split()[0] == benchmark):  # also '… --against COMMIT'
            lines.append(markdown(Section.from_dict(sections[name])))
            measured = f"Measured on {sections[name]['date']}"
            if commit := sections[name].get("commit"):
                measured += f" at {commit[:7]}"
            if (load := sections[name].get("load_average")) is not None:
                measured += f"; load average afterwards {load:g} on {machine['cores']} cores"
            if sections[name]["versions"] != machine["versions"]:
                measured += f" with {_versions(sections[name]['versions'])}"
            lines += [f"{measured}.", ""]
    return "\n".join(lines)


def _versions(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())
