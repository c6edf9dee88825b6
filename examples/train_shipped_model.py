"""How the shipped model was made, from an empty folder: about six hours on two cores.

    python examples/train_shipped_model.py FOLDER [ARRAYS.npz]

Each line below is a command by itself; docs/training.md says what they do, and `python -m training COMMAND
--help` what each option means. One soundfont and one mix are kept out of the training corpus, so that
calibration and the test hear instruments and a sound that the networks never heard. ARRAYS.npz, spectrograms
of real songs (docs/results.md), are only ever used to evaluate. The second model is the thesis's plain
network for phones, for comparison. All go on training, at half the learning rate, when the corpus has grown
to twice its size.

Model 1.3 heard the orchestra as it played at commit fc733b2; where later versions of the styles play
otherwise, the weights differ.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from training.recipe import follow

AUGMENTED = "--stretch 0.06 --tilt 2 --noise 0.3 --mask 0.3"
PHRASES = {
    "held_out": "--soundfonts fluidmono --mixes radio",
    "corpus": "{folder}/train --seed 21 --seconds 12 --other-share 0.2 --store {folder}/train/features "
    "--without-soundfonts fluidmono --without-mixes radio",
    "trained": "{folder}/train/manifest.csv --classes 11 --batch-size 64 --schedule onecycle "
    "--weight-decay 0.05",
    "rhythm": f"--architecture rhythmogram --dropout 0.3 {AUGMENTED}",
    "plain": f"--architecture mobilenet_v3_small --weights random --normalisation band {AUGMENTED}",
}
RECIPE = """
training corpus {corpus} --hours 80
training train {trained} {rhythm} --lr 0.002 -o {folder}/acf1 --branches acf --epochs 700 --evaluate-every 175
training train {trained} {rhythm} --lr 0.002 -o {folder}/mel1 --branches mel --epochs 560 --evaluate-every 140
training train {trained} {plain} --lr 0.002 -o {folder}/plain1 --epochs 90 --evaluate-every 45
training corpus {corpus} --hours 160 --no-audio
training train {trained} {rhythm} --lr 0.001 --weights {folder}/acf1/best.pt -o {folder}/acf2
    --branches acf --epochs 450 --evaluate-every 150
training train {trained} {rhythm} --lr 0.001 --weights {folder}/mel1/best.pt -o {folder}/mel2
    --branches mel --epochs 360 --evaluate-every 120
training train {trained} {rhythm} --lr 0.001 --weights {folder}/acf2/best.pt -o {folder}/acf
    --branches acf --epochs 260 --evaluate-every 130
training train {trained} {rhythm} --lr 0.001 --weights {folder}/mel2/best.pt -o {folder}/mel
    --branches mel --epochs 200 --evaluate-every 100
training train {trained} {plain} --lr 0.001 --weights {folder}/plain1/best.pt -o {folder}/plain
    --epochs 60 --evaluate-every 60
training corpus {folder}/calibration --hours 2 --seed 22 --seconds 20 --other-share 0.2 {held_out}
    --store {folder}/calibration/features
training corpus {folder}/test --hours 2 --seed 23 --seconds 20 --other-share 0.2 {held_out}
    --store {folder}/test/features
training merge {folder}/acf/best.pt {folder}/mel/best.pt -o {folder}/merged.pt
training calibrate {folder}/merged.pt {folder}/calibration/manifest.csv --prior collected
    -o {folder}/rhythmogram.pt
training evaluate {folder}/rhythmogram.pt held-out={folder}/test/manifest.csv@all {real} -o {folder}/report
training tempo {folder}/test/manifest.csv@all
export {folder}/rhythmogram.pt -o {folder}/models --name rhythmogram --version 1.3 --default
    --int8 --calibrate {folder}/calibration/manifest.csv@all --verify {folder}/test/manifest.csv@all
    --licence Apache-2.0 --evaluation {folder}/report/report.json
training calibrate {folder}/plain/best.pt {folder}/calibration/manifest.csv --prior collected
    -o {folder}/mobilenet_v3_small.pt
training evaluate {folder}/mobilenet_v3_small.pt held-out={folder}/test/manifest.csv@all {real}
    -o {folder}/plain_report
export {folder}/mobilenet_v3_small.pt -o {folder}/models --name mobilenet_v3_small --version 1.2
    --verify {folder}/test/manifest.csv@all --licence Apache-2.0
    --evaluation {folder}/plain_report/report.json
"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    result = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    result.add_argument("folder", type=Path, help="for the corpora, the runs and the models")
    result.add_argument(
        "arrays", type=Path, nargs="?", metavar="ARRAYS.npz", help="real songs to evaluate on"
    )
    return result


def main(argv: Sequence[str] | None = None) -> None:
    """Follow the recipe."""
    args = parser().parse_args(argv)
    phrases = PHRASES | {"real": "real={arrays}" if args.arrays else ""}
    follow(RECIPE, phrases, **vars(args))


if __name__ == "__main__":
    main()
