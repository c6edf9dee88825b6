"""A dense network for 27 dances from nothing, which docs/results.md measures and which is not shipped yet.

    python examples/train_one_model.py FOLDER HUMANS [NAME=ARRAYS.npz ...]

HUMANS holds `groove.zip` (Groove MIDI Dataset, Gillick et al. 2019, magenta.tensorflow.org/datasets/groove)
and `openewld.zip` (OpenEWLD, Simonetta, doi 10.5281/zenodo.4332855): how people play, and what. Each line
below is a command by itself; docs/training.md says what they do, and `python -m training COMMAND --help`
what each option means. One soundfont and one mix are kept out of the training corpora, so that calibration
and the test hear instruments and a sound that the network never heard. NAME=ARRAYS.npz, spectrograms of
real songs (docs/results.md), are only ever used to evaluate.

The network learns at a constant rate first, from segments of 5.2 s, and then at one that falls to nothing,
from segments of 5.2, 10.4 and 15.6 s. An interrupted run goes on; more epochs of the first run are how the
model grows from candidate to candidate (docs/results.md).
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from runtime.dances import DANCE_KEYS
from training.recipe import follow

PHRASES = {  # those that others hold come after them
    "heard": "--seconds 20 --without-soundfonts gmbank --without-mixes radio --no-audio",
    "held_out": "--soundfonts gmbank --mixes radio --no-audio",
    "people": "--humans {humans}",
    "corpora": "{folder}/ten/manifest.csv {folder}/social/manifest.csv {folder}/humans/manifest.csv "
    "{folder}/neighbours/manifest.csv",
    "learns": "--classes {ten},{social},{neighbours},other --architecture rhythmogram --branches acf,mel "
    "--trunk dense --apart --batch-size 64 --batches-per-epoch 50 --evaluate-every 10 --lr 0.002 "
    "--weight-decay 0.05 --dropout 0.3 --stretch 0.06 --tilt 2 --noise 0.3 --mask 0.3 --hall 0.6 "
    "--threads 1 --precision bf16-mixed",
    "ten": ",".join(DANCE_KEYS),
    "social": "bachata,salsa,merengue,west_coast_swing,discofox,nightclub_two_step,country_two_step,polka,"
    "zouk,cumbia",
    "neighbours": "mambo,east_coast_swing,lindy_hop,charleston,argentine_tango,vals,milonga",
}
RECIPE = """
training corpus {folder}/ten --dances {ten} --seed 301 --hours 14 {heard} --store {folder}/ten/features
training corpus {folder}/social --dances {social},other --seed 302 --hours 9 --other-share 0.3 {heard}
    --store {folder}/social/features
training corpus {folder}/humans --dances {ten},other --seed 401 --hours 12 --other-share 0.35 {people} {heard}
    --store {folder}/humans/features
training corpus {folder}/neighbours --dances {neighbours},other --seed 402 --hours 6 --other-share 0.35
    {people} {heard} --store {folder}/neighbours/features
training corpus {folder}/calibration --seed 351 --hours 4.5 --seconds 60 --other-share 0.2 {people} {held_out}
    --store {folder}/calibration/features
training corpus {folder}/test --seed 452 --hours 2 --seconds 20 --other-share 0.15 {people} {held_out}
    --store {folder}/test/features
training train {corpora} {learns} --epochs 100 -o {folder}/constant
training train {corpora} {learns} --frames 224,224,224,448,672 --schedule cosine --epochs 110
    --weights {folder}/constant/last.pt -o {folder}/falling
training calibrate {folder}/falling/last.pt {folder}/calibration/manifest.csv@all --max-error 0.15
    --sequences 80 -o {folder}/whichdance.pt
training evaluate {folder}/whichdance.pt held-out={folder}/test/manifest.csv@all {real} -o {folder}/report
training tempo {folder}/test/manifest.csv@all
export {folder}/whichdance.pt -o {folder}/models --name whichdance --version 3.0 --default
    --int8 --calibrate {folder}/calibration/manifest.csv@all --verify {folder}/test/manifest.csv@all
    --rehearse {folder}/ten/manifest.csv --rehearse {folder}/social/manifest.csv
    --rehearse {folder}/neighbours/manifest.csv --licence Apache-2.0 --evaluation {folder}/report/report.json
"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    result = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    result.add_argument("folder", type=Path, help="for the corpora, the runs and the models")
    result.add_argument("humans", type=Path, help="folder of groove.zip and openewld.zip")
    result.add_argument(
        "arrays", nargs="*", metavar="NAME=ARRAYS.npz", help="real songs to evaluate on, as clean=songs.npz"
    )
    return result


def main(argv: Sequence[str] | None = None) -> None:
    """Follow the recipe."""
    args = parser().parse_args(argv)
    names = [f"array{i}" for i in range(len(args.arrays))]
    phrases = PHRASES | {"real": " ".join(f"{{{name}}}" for name in names)}
    follow(
        RECIPE, phrases, folder=args.folder, humans=args.humans, **dict(zip(names, args.arrays, strict=True))
    )


if __name__ == "__main__":
    main()
