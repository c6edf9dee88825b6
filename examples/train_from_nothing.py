"""From an empty folder to a trained, evaluated and exported model, in under ten minutes on two cores.

    python examples/train_from_nothing.py FOLDER

Generates music, trains the small network on it, measures it on music that sounds different, and writes a
model file that `whichdance --model FOLDER/models/small.onnx RECORDING` loads. Each line below is a command
that you can run, and change, by itself; docs/training.md says what they do. For a good model give it more
music and more time: the shipped one differs in little else.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from training.recipe import follow

RECIPE = """
training corpus {folder}/music --hours 1.5 --seconds 20 --seed 1 --without-mixes radio
training corpus {folder}/other-music --hours 0.3 --seconds 20 --seed 2 --mixes radio
training train {folder}/music/manifest.csv -o {folder}/run --architecture rhythmogram --classes 11
    --epochs {epochs} --batch-size 32 --lr 0.003 --schedule onecycle --weight-decay 0.01 --stretch 0.04
training calibrate {folder}/run/best.pt {folder}/other-music/manifest.csv -o {folder}/calibrated.pt
training evaluate {folder}/calibrated.pt music={folder}/music/manifest.csv
    other-music={folder}/other-music/manifest.csv@all -o {folder}/report
export {folder}/calibrated.pt -o {folder}/models --name small --licence {licence}
    --evaluation {folder}/report/report.json
"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    result = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    result.add_argument("folder", type=Path, help="for the music, the run and the model")
    result.add_argument("--epochs", type=int, default=40, help="of training (default: 40)")
    result.add_argument(
        "--licence", default="Apache-2.0", help="of your model; the generated music binds you to none"
    )
    return result


def main(argv: Sequence[str] | None = None) -> None:
    """Follow the recipe."""
    follow(RECIPE, **vars(parser().parse_args(argv)))


if __name__ == "__main__":
    main()
