"""`experiment all --small`: the thesis's tables in minutes, on generated music and with thin networks.

As in the thesis: a collection of ballroom music to train on; sets of other origin to test on, played by
another soundfont, in a hall, as pop, and recorded by a phone; networks pre-trained on something else. What
ImageNet is there, the music of ten social dances is here.
"""

import argparse
import json
import os
import re
import shlex
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from runtime.atomic import replacing
from runtime.errors import ParameterError
from training.commands import baseline, corpus, degrade, manifest, train
from training.markdown import table
from training.recipe import commands
from training.settings import Machine

FOLDER = Path("thesis-small")
STEPS = "steps.json"  # what is done, and what it took
TABLES = "tables"
CROWD_SECONDS, CROWD_RATE = 30, 22_050
SECONDS = 12  # of a recording: two or three segments
BATCH_SIZE = 16
SPREAD = re.compile(r" --(?:jobs|together|backend|workers|threads|accelerator) \S+")

PHRASES = {
    "ten": "cha_cha_cha,jive,paso_doble,quickstep,rumba,samba,slow_foxtrot,slow_waltz,tango,viennese_waltz",
    "social": "bachata,country_two_step,cumbia,discofox,merengue,nightclub_two_step,polka,salsa,"
    "west_coast_swing,zouk",
    "played": f"--seconds {SECONDS} --other-share 0 {{spread}}",
    "studio": "--mixes studio,loud --without-soundfonts gmbank",
    "pretrained": "--store {o}/social/features --weights random --evaluate-every {epochs} {method}",
    "music_of_all": f"{{o}}/split.csv --store {{o}}/music/features -o {{o}}/{TABLES} --architecture resnet18",
    "sets": "--dataset elsewhere={o}/elsewhere/manifest.csv@all "
    "--dataset competitions={o}/hall/manifest.csv@all --dataset stardance={o}/pop/manifest.csv@all "
    "--dataset low-quality={o}/phones/manifest.csv@all",
    "settings": "--evaluate-every {half} {method} {more} {spread} {together}",
    "method": f"--bands 56 --width 0.125 --batch-size {BATCH_SIZE} --epochs {{epochs}} "
    "--batches-per-epoch {batches} --lr 0.003 --schedule onecycle {machine}",
}

RECIPE = """
corpus {o}/music --dances {ten} --hours {music} --seed 5 --tempo strict {studio} {played}
manifest split {o}/music/manifest.csv -o {o}/split.csv --validation {validation} --test {test}
baseline {o}/split.csv -o {o}/baseline {spread}
corpus {o}/elsewhere --dances {ten} --hours {tested} --seed 6 --tempo strict --mixes studio,loud
    --soundfonts gmbank {played}
corpus {o}/hall --dances {ten} --hours {tested} --seed 7 --tempo strict --mixes hall
    --without-soundfonts gmbank {played}
corpus {o}/pop --dances {ten} --hours {tested} --seed 8 --tempo wide {studio} {played}
degrade {o}/split.csv@test -o {o}/phones --share 1 --seed 1
degrade {o}/split.csv -o {o}/low --share 0.05 --seed 2
corpus {o}/social --dances {social} --hours {pretraining} --seed 9 {studio} {played}
manifest split {o}/social/manifest.csv -o {o}/social.csv --validation {validation}
train {o}/social.csv -o {o}/pretrained/resnet18 --architecture resnet18 {pretrained}
experiment table4.4 {music_of_all} --weights resnet18={o}/pretrained/resnet18/best.pt {settings}
experiment table4.5 {music_of_all} --weights resnet18={o}/pretrained/resnet18/best.pt {settings} {sets}
experiment table4.8 {music_of_all} --weights resnet18={o}/pretrained/resnet18/best.pt {settings} {sets}
experiment table4.9 {music_of_all} --weights resnet18={o}/pretrained/resnet18/best.pt {settings} {sets}
    --extend {o}/low/manifest.csv
experiment figure4.7 {music_of_all} --weights resnet18={o}/pretrained/resnet18/best.pt {settings}
    --crowd {o}/crowd.wav
experiment figure4.9 {music_of_all} --weights resnet18={o}/pretrained/resnet18/best.pt {settings}
    --crowd {o}/crowd.wav --extend {o}/low/manifest.csv
experiment section5 {music_of_all} --weights resnet18={o}/pretrained/resnet18/best.pt {settings}
train {o}/social.csv -o {o}/pretrained/vgg16 --architecture vgg16 {pretrained}
train {o}/social.csv -o {o}/pretrained/resnext50_32x4d --architecture resnext50_32x4d {pretrained}
train {o}/social.csv -o {o}/pretrained/densenet161 --architecture densenet161 {pretrained}
experiment table4.6 {music_of_all} --weights resnet18={o}/pretrained/resnet18/best.pt
    --weights vgg16={o}/pretrained/vgg16/best.pt --weights densenet161={o}/pretrained/densenet161/best.pt
    --weights resnext50_32x4d={o}/pretrained/resnext50_32x4d/best.pt {settings}
experiment table4.7 {music_of_all} --weights densenet161={o}/pretrained/densenet161/best.pt {settings}
"""


@dataclass(frozen=True)
class Repeated:
    """With which seeds, or in how many folds, the tables are made, and whether TensorBoard hears of it."""

    seed: int
    seeds: int
    folds: int
    tensorboard: bool


def check_unchosen(options: Mapping[str, object]) -> None:
    """ParameterError for an option that was given and is chosen here."""
    for name, value in options.items():
        if value:
            raise ParameterError(f"--small chooses --{name.replace('_', '-')} itself; leave it out")


def run(
    share: float,
    output: Path | None,
    machine: Machine,
    repeated: Repeated,
    add_experiment: Callable[[Any], None],
) -> int:
    """Follow the recipe in the folder, from where it was left, and write the page; returns the exit status.

    Parameters
    ----------
    share : float
        Of the usual size.
    output : Path or None
        The folder; `FOLDER` if None.
    machine : Machine
    repeated : Repeated
    add_experiment : callable
        Adds the parser of `experiment`.
    """
    if not 0 < share <= 100:
        raise ParameterError(f"--small {share:g}: a share of the usual size, above 0, as 0.5")
    folder = (output or FOLDER).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    steps = Steps(folder / STEPS, share)
    _write_crowd(folder / "crowd.wav")
    parser = argparse.ArgumentParser(prog="python -m training")
    actions = parser.add_subparsers(required=True)
    for module in (corpus, manifest, degrade, baseline, train):
        module.add_parser(actions)
    add_experiment(actions)
    lines = commands(RECIPE, PHRASES | _phrases(machine, repeated), **_sizes(share), o=folder)
    for action, together in groupby(lines, key=lambda words: words[0]):
        waiting = [words for words in together if _line(words, folder) not in steps]
        if action == "train" and len(waiting) > 1:  # none of them needs another
            if status := _train_together(waiting, folder, steps, machine):
                return status
            continue
        for words in waiting:
            line = _line(words, folder)
            print(f"\n$ python -m training {line}", flush=True)
            with steps.timed(line) as done:
                parsed = parser.parse_args(words)
                if status := parsed.func(parsed):
                    done.clear()
                    return int(status)
            if action == "experiment":
                _write_page(folder, steps)
    print(f"written: {_write_page(folder, steps)}")
    return 0


def _line(words: Sequence[str], folder: Path) -> str:
    """A command as it is shown: paths within the folder."""
    return shlex.join(word.replace(f"{folder}/", "") for word in words)


def _train_together(waiting: Sequence[Sequence[str]], folder: Path, steps: "Steps", machine: Machine) -> int:
    """Run several `train`, in as many processes as there are jobs; the first status that is not 0, or 0."""
    from training.parallel import results

    lines = [_line(words, folder) for words in waiting]
    print("".join(f"\n$ python -m training {line}" for line in lines), flush=True)
    with steps.timed(*lines) as done:
        calls = [([*words, "--workers", "0"],) for words in waiting]  # every core trains already
        ended = list(results(_trained, calls, machine.jobs))
        for line, (status, seconds) in zip(lines, ended, strict=True):
            done[line] = seconds
            if status:
                done.pop(line)
    return next((status for status, _ in ended if status), 0)


def _trained(words: Sequence[str]) -> tuple[int, float]:
    """Exit status of a `train`, and the seconds of CPU that it took; in a process of its own."""
    parser = argparse.ArgumentParser()
    train.add_parser(parser.add_subparsers(required=True))
    used = _cpu_seconds()
    parsed = parser.parse_args(words)
    return int(parsed.func(parsed) or 0), _cpu_seconds() - used


def _write_page(folder: Path, steps: "Steps") -> Path:
    """The page of the tables so far."""
    from training.experiments.page import write_page

    before = f"{steps.described()}\n\n{_of_baseline(folder / 'baseline' / 'report.json')}"
    return write_page(folder / TABLES, before)


def _phrases(machine: Machine, repeated: Repeated) -> dict[str, str]:
    """What the commands share and the arguments say: where the work is done, and how often."""
    spread = f"--jobs {machine.jobs} --backend {machine.backend}"
    threads = f" --threads {machine.threads}" if machine.threads else ""
    where = f"--workers {machine.workers} --accelerator {machine.accelerator} --devices 1"
    more = f" --folds {repeated.folds}" if repeated.folds else f" --seeds {repeated.seeds}"
    return {
        "spread": spread,
        "together": f"--together {machine.jobs}",
        "machine": f"{where} --precision {machine.precision}{threads}",
        "more": f"--seed {repeated.seed}{more}{' --tensorboard' if repeated.tensorboard else ''}",
    }


def _sizes(share: float) -> dict[str, Any]:
    """How much music, at least three recordings of each of ten dances, and how many epochs."""

    def hours(of_each: int) -> str:
        return f"{10 * SECONDS * max(3, round(of_each * share)) / 3600:.5f}"

    epochs = max(2, round(20 * share))
    batches = min(20, max(2, round(200 * share)))
    return {
        "music": hours(100),
        "tested": hours(12),
        "pretraining": hours(80),
        "validation": max(1, round(8 * share)),
        "test": max(1, round(12 * share)),
        "epochs": epochs,
        "batches": batches,
        "half": max(1, epochs // 2),
    }


class Steps:
    """The steps that are done, in a file, each with the seconds that it took.

    One is done wherever its work was: begun on two cores, the rest goes on on eight.
    """

    def __init__(self, path: Path, share: float) -> None:
        self.path = path
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            content = {"share": share, "steps": {}}
        if content["share"] != share:
            raise ParameterError(
                f"{path.parent} holds what --small {content['share']:g} made; go on with that, or name "
                "another folder by -o"
            )
        self.share = share
        self.done: dict[str, dict[str, float]] = content["steps"]

    def __contains__(self, line: str) -> bool:
        return _what(line) in map(_what, self.done)

    @contextmanager
    def timed(self, *lines: str) -> Iterator[dict[str, float]]:
        """What is done within, without an error, is done; yields the lines, and their shares of the time.

        What is taken out of there is not done.
        """
        from joblib.externals.loky import get_reusable_executor

        shares = dict.fromkeys(lines, 1.0)
        started, used = time.perf_counter(), _cpu_seconds()
        yield shares
        get_reusable_executor().shutdown(wait=True)  # joblib's processes are counted when they have ended
        took = {"wall": time.perf_counter() - started, "cpu": _cpu_seconds() - used}
        total = sum(shares.values())
        for line, share in shares.items():
            self.done[line] = {kind: seconds * share / total for kind, seconds in took.items()}
        with replacing(self.path) as temporary:
            content = {"share": self.share, "steps": self.done}
            temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")

    def described(self) -> str:
        """In Markdown: what was made and learnt from, and how long it took."""
        sizes = _sizes(self.share)
        segments = sizes["epochs"] * sizes["batches"] * BATCH_SIZE
        rows = [
            [f"`{_short(line)}`", f"{step['wall'] / 60:.1f}", f"{step['cpu'] / 60:.1f}"]
            for line, step in self.done.items()
        ]
        total = [sum(step[kind] for step in self.done.values()) / 60 for kind in ("wall", "cpu")]
        rows.append(["together", *(f"{minutes:.1f}" for minutes in total)])
        return (
            f"By `python -m training experiment all --small {self.share:g}`: generated music of {SECONDS} s "
            "a recording, networks with an eighth of their channels on images of 56 bands, pre-trained on "
            f"{segments} segments of ten social dances, and as many for each row. Our method is ResNet-18 "
            "here, as good as DenseNet-161 in the thesis's table 4.6 and several times as fast. "
            f"`../{STEPS}` has the commands. Of a step that was interrupted, what it took after that counts "
            "here.\n\n" + table(["step", "minutes", "of a CPU"], rows, right=(False, True))
        )


def _of_baseline(report: Path) -> str:
    """What 72 features and a support vector machine reach (thesis 4.3)."""
    from training.experiments.setup import accuracy_from

    found = json.loads(report.read_text(encoding="utf-8"))["datasets"][0]
    top1, top2 = (accuracy_from(found[name]) for name in ("top1", "top2"))
    return f"The baseline of 4.3 reaches {top1} on the test split (thesis: 40 %), {top2} among its best two."


def _what(line: str) -> str:
    """A command without where its work is done."""
    return SPREAD.sub("", line)


def _short(line: str) -> str:
    """The beginning of a command, and the network that is pre-trained."""
    network = line.partition("--architecture ")[2].split()[:1] if line.startswith("train") else []
    return " ".join([*line.split()[:2], *network])


def _cpu_seconds() -> float:
    """Of this process and of those that it has started and that have ended."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def _write_crowd(path: Path) -> None:
    """A recording of a crowd, which the noise figures mix in."""
    import numpy as np
    import soundfile

    from training.synthesis.ambience import crowd

    if path.exists():
        return
    y = crowd(np.random.default_rng(3), CROWD_SECONDS * CROWD_RATE, CROWD_RATE)
    with replacing(path) as temporary:
        soundfile.write(temporary, 0.9 * y / np.abs(y).max(), CROWD_RATE, format="WAV")
