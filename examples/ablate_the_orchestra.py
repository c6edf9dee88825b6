"""What each ingredient of the orchestra gives on real music: the same short training without it.

    python examples/ablate_the_orchestra.py FOLDER ARRAYS.npz OUT [--transfer rhythm_transfer.py]

FOLDER is that of `train_shipped_model.py`, with its corpora `train` and `test`. Every row draws equally many
recordings of each class from the corpus, trains the rhythmogram branch on 51 200 of their segments, and
evaluates it on the test corpus and on ARRAYS.npz, spectrograms of real songs. `--transfer` also trains that
script's classifier on the onset curves of the row's recordings, as far as the corpus has kept their audio,
and tests it on real curves; rows that differ in nothing that it hears have none. An interrupted run goes on.
"""

import argparse
import csv
import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from runtime.dances import DANCE_KEYS
from training.data.manifest import of_split, read_manifest, write_manifest
from training.evaluation.metrics import Accuracy
from training.markdown import table

REAL_CURVES = 1883  # that the transfer script tests on
# Styles that a dance orchestra does not play.
MODERN = re.compile("pop|rock|country|electro|cover|ballad|reggaeton|bossa|shuffle")
PLAIN = "--stretch 0 --tilt 0 --noise 0 --mask 0"

Columns = dict[str, str]


@dataclass(frozen=True)
class Ingredient:
    """One row: the training without it.

    Attributes
    ----------
    name : str
    keeps : callable
        Which lines of the corpus's manifest may be drawn.
    share : float
        Of the usual number of recordings.
    passed_over : int
        Drawings of that many recordings that come before this one.
    options : str
        Of `training train`, after the usual ones.
    """

    name: str
    keeps: Callable[[Columns], bool] = lambda columns: True
    share: float = 1
    passed_over: int = 0
    options: str = ""


INGREDIENTS = {
    "all": Ingredient("all of them"),
    "again": Ingredient("all of them, other recordings", passed_over=1),
    "fewer": Ingredient("half the recordings", share=0.5),
    "strict": Ingredient("only strict tempi", lambda c: c["tempo"] in ("strict", "")),
    "orchestral": Ingredient("no pop, rock, country, electronic", lambda c: not MODERN.search(c["style"])),
    "studio": Ingredient("only the mix `studio`", lambda c: c["mix"] in ("studio", "")),
    "soundfonts": Ingredient("two soundfonts of three", lambda c: "musescore" not in c["soundfonts"]),
    "others": Ingredient(
        "no music to none of the ten", lambda c: c["dance"] in DANCE_KEYS, options="--classes 10"
    ),
    "stretch": Ingredient("no stretching", options="--stretch 0"),
    "augmentation": Ingredient("no augmentation", options=PLAIN),
}
HEARD_ALIKE = ("others", "stretch", "augmentation")  # the same ten dances' recordings as in "all"


def main() -> None:
    """Run every row, or those of `--only`, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("real", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--transfer", type=Path, help="the script rhythm_transfer.py")
    parser.add_argument("--only", nargs="+", choices=INGREDIENTS, default=list(INGREDIENTS), metavar="ROW")
    parser.add_argument("--epochs", type=int, default=40, help="of 20 batches of 64 segments (default: 40)")
    parser.add_argument("--threads", type=int, default=1, help="of the training (default: 1)")
    parser.add_argument("--per-class", type=int, default=200, help="recordings to train on (default: 200)")
    args = parser.parse_args()

    rows = []
    for key in args.only:
        folder = args.output / key
        manifest = draw(args, INGREDIENTS[key], folder)
        cells = list(on_songs(args, key, manifest))
        if args.transfer:
            cells += ["", ""] if key in HEARD_ALIKE else list(on_curves(args.transfer, manifest))
        rows.append([INGREDIENTS[key].name, *cells])
        print(" | ".join(rows[-1]), flush=True)
    heads = ["", "held-out top-1", "real top-1", "real top-2", "real segments top-1", "real AUC"]
    heads += ["onset curves top-1", "onset curves top-2"] if args.transfer else []
    markdown = table(heads, rows)
    (args.output / "table.md").write_text(markdown + "\n", encoding="utf-8")
    print(f"\n{markdown}")


def draw(args: argparse.Namespace, ingredient: Ingredient, folder: Path) -> Path:
    """A manifest of training recordings, equally many of each class, that the ingredient keeps."""
    corpus = args.folder / "train" / "manifest.csv"
    with corpus.open(newline="", encoding="utf-8") as file:
        kept = {corpus.parent / c["path"] for c in csv.DictReader(file) if ingredient.keeps(c)}
    training = [r for r in of_split(read_manifest(corpus), "train") if r.path in kept]
    n = round(args.per_class * ingredient.share)
    chosen = []
    for dance in (*DANCE_KEYS, *({r.dance for r in training} - {*DANCE_KEYS})):
        of_dance = sorted((r for r in training if r.dance == dance), key=lambda r: r.path)
        drawn = of_dance[n * ingredient.passed_over :][:n]
        if len(drawn) < n:
            sys.exit(
                f"{corpus} has {len(of_dance)} recordings of {dance} for row {ingredient.name!r}: too few"
            )
        chosen += drawn
    folder.mkdir(parents=True, exist_ok=True)
    write_manifest(folder / "manifest.csv", chosen)
    return folder / "manifest.csv"


def on_songs(args: argparse.Namespace, key: str, manifest: Path) -> tuple[str, ...]:
    """Train, evaluate, and read the report."""
    folder, store = manifest.parent, args.folder / "train" / "features"
    method = "--batch-size 64 --schedule onecycle --lr 0.002 --weight-decay 0.05 --dropout 0.3 --classes 11"
    augmented = "--stretch 0.06 --tilt 2 --noise 0.3 --mask 0.3"
    own = f"{INGREDIENTS[key].options} --epochs {args.epochs} --evaluate-every {args.epochs}"
    if not (folder / "report" / "report.json").exists():
        training = f"{manifest} --store {store} -o {folder} --architecture rhythmogram"
        run(f"train {training} {method} {augmented} {own} --threads {args.threads}")
        tests = f"held-out={args.folder}/test/manifest.csv@all real={args.real}"
        run(f"evaluate {folder}/last.pt {tests} -o {folder}/report")
    datasets = json.loads((folder / "report" / "report.json").read_text(encoding="utf-8"))["datasets"]
    held_out, real = datasets
    shares = (held_out["top1"], real["top1"], real["top2"], real["segment_top1"])
    return (*(str(Accuracy(s["right"], s["total"])) for s in shares), f"{real['others_auc']:.3f}")


def run(command: str) -> None:
    """One of the commands of `python -m training`."""
    subprocess.run([sys.executable, "-m", "training", *command.split()], check=True)


def on_curves(script: Path, manifest: Path) -> tuple[str, str]:
    """Top-1 and top-2 of the transfer script, trained on the manifest's recordings of the ten dances."""
    printed = manifest.parent / "curves.txt"
    if not printed.exists():
        audio = manifest.parent / "audio"
        for recording in read_manifest(manifest):
            link = audio / recording.dance / recording.path.name
            if recording.dance in DANCE_KEYS and recording.path.exists() and not link.exists():
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(recording.path.absolute())
        done = subprocess.run([sys.executable, script, audio], check=True, capture_output=True, text=True)
        printed.write_text(done.stdout, encoding="utf-8")
    text = printed.read_text(encoding="utf-8")
    shares = (float(number) for number in re.findall(r"top-[12] ([\d.]+)", text))
    first, second = (str(Accuracy(round(share * REAL_CURVES), REAL_CURVES)) for share in shares)
    return first, second


if __name__ == "__main__":
    main()
