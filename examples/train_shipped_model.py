"""How the shipped model was made, from an empty folder.

    python examples/train_shipped_model.py FOLDER HUMANS [NAME=ARRAYS.npz ...]

Each line below is a command by itself; docs/training.md says what they do, and `python -m training COMMAND
--help` what each option means. One soundfont and one mix are kept out of the training corpora, so that
calibration and the test hear instruments and a sound that the networks never heard. HUMANS holds `groove.zip`
(Groove MIDI Dataset, Gillick et al. 2019, magenta.tensorflow.org/datasets/groove) and `openewld.zip`
(OpenEWLD, Simonetta, doi 10.5281/zenodo.4332855): how people play, and what. NAME=ARRAYS.npz, spectrograms of
real songs (docs/results.md), are only ever used to evaluate.

Two networks come first. `start` learns the ten dances from 160 hours of music, plainly recorded; all go
on, at half the learning rate, when the corpus has grown to twice its size. `merged` goes on from it with
social dances and halls, taught by what it was before and averaged with it; the last share, of .6, .7, .8
and 1, was chosen on the calibration recordings: the lowest loss in simulated halls that costs nothing on
clean ones. The one knows the ten best, the other one what is none of them. Weights half-way between them
know both; from there a network goes on, with human players, in windows of 5.2, 10.4 and 15.6 s. Half-way
between it and the files of the two is `after` (3.0 and 3.0.1), whose first has the prior of the thesis's
collections in its last bias; it hears 5.2 s at a time, since the longer windows were worth nothing that
could be measured. Two networks go on from there with an orchestra whose low end moves and whose computers
play on time; the shipped one is their mean, and takes each of the ten for twice as common as another dance.
The thesis's plain network for phones is made for comparison.

What differs from how the shipped file came about: `start` (published as model 1.3) heard the orchestra as
it played at commit fc733b2 and held out `fluidmono`, which is a mono version of `fluid`, so that it has
heard `gmbank`; here that is held out from the beginning. Checkpoints were lost three times, and were
recovered from the exported files by `examples/recover_checkpoint.py`: 1.3 as what `merged` (model
`social` 2.1) started from and is taught by, 2.0 as what `acf5` and `mel5` started from, and 1.3 and 2.1
(of commit ec6ff12) as what `between` is between; `one` was stopped after 60 of its 72 epochs. The halls
grew while they learnt: up to `acf4` and `mel4` four fifths heard voices and hands alone, sounds that
interfere came with `acf5` and `mel5` (a quarter of them with less of it), hands that clap in time with
`acf6` and `mel6`. The corpora `ten` and `social` were drawn anew for these. All up to `after` heard the
orchestra as it played up to commit a1f1d7e, and `social3` five dances as up to 0315df0; `ten4`, `ten5`,
`social4` and `social5` are as commit 2d2749b plays them, without computers on time, and the later ones, the
calibration's and the test's as c266a01 does, before swing grew straighter (docs/orchestra.md).
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from runtime.dances import DANCE_KEYS
from training.recipe import follow

AUGMENTED = "--stretch 0.06 --tilt 2 --noise 0.3 --mask 0.3"
PHRASES = {  # those that others hold come after them
    "held_out": "--soundfonts gmbank --mixes radio",
    "corpus": "{folder}/train --dances {ten},other --seed 21 --other-share 0.2 "
    "--store {folder}/train/features {heard}",
    "trained": "{folder}/train/manifest.csv --classes 11 --batch-size 64 --schedule onecycle "
    "--weight-decay 0.05",
    "tuned": "{folder}/ten/manifest.csv {folder}/social/manifest.csv --classes {ten},{social},other "
    "--batch-size 64 --batches-per-epoch 50 --schedule onecycle --weight-decay 0.05",
    "taught": "--teacher {folder}/start.pt --distil 0.5",
    "people": "--other-share 0.1 --humans {humans}",
    "near": "--classes {ten},{social},other {rhythm} --branches acf,mel --apart --batch-size 64 "
    "--batches-per-epoch 50 --lr 0.0007 --schedule cosine --weight-decay 0.05 --hall 0.6 "
    "--shares ten=0.45,other=0.2 --threads 1",
    "rhythm": f"--architecture rhythmogram --dropout 0.3 {AUGMENTED}",
    "plain": f"--architecture mobilenet_v3_small --weights random --normalisation band {AUGMENTED}",
    "longer": "--seconds 20 --without-soundfonts gmbank --without-mixes radio --no-audio",
    "heard": "--seconds 12 --without-soundfonts gmbank --without-mixes radio",
    "ten": ",".join(DANCE_KEYS),
    "social": "bachata,salsa,merengue,west_coast_swing,discofox,nightclub_two_step,country_two_step,polka,"
    "zouk,cumbia",
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
training corpus {folder}/calibration --hours 6 --seed 51 --seconds 60 --other-share 0.15 {held_out}
    --store {folder}/calibration/features
training corpus {folder}/test --hours 3 --seed 52 --seconds 20 --other-share 0.15 {held_out}
    --store {folder}/test/features
training corpus {folder}/ten --dances {ten} --seed 63 --hours 20 {heard}
    --store {folder}/ten/features --no-audio
training corpus {folder}/social --dances {social},other --seed 62 --hours 18 --other-share 0.25 {heard}
    --store {folder}/social/features --no-audio
training merge {folder}/acf/best.pt {folder}/mel/best.pt -o {folder}/start.pt
training train {tuned} --hall 0.5 {rhythm} --lr 0.004 --head-only --weights {folder}/acf/best.pt
    -o {folder}/acf0 --branches acf --epochs 8 --evaluate-every 8
training train {tuned} --hall 0.5 {rhythm} --lr 0.004 --head-only --weights {folder}/mel/best.pt
    -o {folder}/mel0 --branches mel --epochs 8 --evaluate-every 8
training train {tuned} --hall 0.5 {rhythm} {taught} --lr 0.001 --weights {folder}/acf0/last.pt
    -o {folder}/acf3 --branches acf --epochs 110 --evaluate-every 22
training train {tuned} --hall 0.5 {rhythm} {taught} --lr 0.001 --weights {folder}/mel0/last.pt
    -o {folder}/mel3 --branches mel --epochs 110 --evaluate-every 22
training train {tuned} --hall 0.6 {rhythm} {taught} --lr 0.0007 --weights {folder}/acf3/last.pt
    -o {folder}/acf4 --branches acf --epochs 28 --evaluate-every 14
training train {tuned} --hall 0.6 {rhythm} {taught} --lr 0.0007 --weights {folder}/mel3/last.pt
    -o {folder}/mel4 --branches mel --epochs 28 --evaluate-every 14
training average {folder}/acf4/last.pt {folder}/acf/best.pt {folder}/calibration/manifest.csv@all
    --share 0.8 -o {folder}/acf.pt
training average {folder}/mel4/last.pt {folder}/mel/best.pt {folder}/calibration/manifest.csv@all
    --share 0.8 -o {folder}/mel.pt
training train {tuned} --hall 0.7 {rhythm} {taught} --lr 0.0012 --weights {folder}/acf.pt
    -o {folder}/acf5 --branches acf --epochs 72 --evaluate-every 18
training train {tuned} --hall 0.7 {rhythm} {taught} --lr 0.0012 --weights {folder}/mel.pt
    -o {folder}/mel5 --branches mel --epochs 72 --evaluate-every 18
training train {tuned} --hall 0.75 {rhythm} {taught} --lr 0.001 --weights {folder}/acf5/last.pt
    -o {folder}/acf6 --branches acf --epochs 34 --evaluate-every 17
training train {tuned} --hall 0.75 {rhythm} {taught} --lr 0.001 --weights {folder}/mel5/last.pt
    -o {folder}/mel6 --branches mel --epochs 34 --evaluate-every 17
training average {folder}/acf6/last.pt {folder}/acf.pt {folder}/calibration/manifest.csv@all
    --share 0.7 -o {folder}/acf7.pt
training average {folder}/mel6/last.pt {folder}/mel.pt {folder}/calibration/manifest.csv@all
    --share 0.7 -o {folder}/mel7.pt
training merge {folder}/acf7.pt {folder}/mel7.pt -o {folder}/merged.pt
training corpus {folder}/calibration_ten --dances {ten},other --hours 6 --seed 31 --seconds 60
    --other-share 0.2 {held_out} --store {folder}/calibration_ten/features
training calibrate {folder}/start.pt {folder}/calibration_ten/manifest.csv@all --prior collected
    -o {folder}/start_calibrated.pt
training calibrate {folder}/merged.pt {folder}/calibration/manifest.csv@all -o {folder}/merged_calibrated.pt
export {folder}/start_calibrated.pt -o {folder}/before --name start --licence Apache-2.0
export {folder}/merged_calibrated.pt -o {folder}/before --name merged --licence Apache-2.0
training average {folder}/merged.pt {folder}/start.pt {folder}/calibration/manifest.csv@all --share 0.5
    -o {folder}/between.pt
training corpus {folder}/ten3 --dances {ten} --seed 501 --hours 7 {longer} --store {folder}/ten3/features
training corpus {folder}/social3 --dances {social},other --seed 502 --hours 7 --other-share 0.3 {longer}
    --store {folder}/social3/features
training corpus {folder}/humans --dances {ten},other --seed 503 --hours 6 --other-share 0.35
    --humans {humans} {longer} --store {folder}/humans/features
training train {folder}/ten3/manifest.csv {folder}/social3/manifest.csv {folder}/humans/manifest.csv
    --classes {ten},{social},other {rhythm} --branches acf,mel --apart --batch-size 64
    --batches-per-epoch 50 --lr 0.0007 --schedule cosine --weight-decay 0.05 --hall 0.6
    --frames 224,224,448,672 --shares ten=0.45,other=0.2 --weights {folder}/between.pt --epochs 72
    --evaluate-every 12 --threads 1 -o {folder}/one
training average {folder}/before/merged.onnx {folder}/before/start.onnx --share 0.5 -o {folder}/before.pt
training average {folder}/one/last.pt {folder}/before.pt --share 0.5 --frames 224 -o {folder}/after.pt
export {folder}/after.pt -o {folder}/before --name after --licence Apache-2.0
training corpus {folder}/ten4 --dances {ten},other --seed 811 --hours 3.5 {people} {longer}
    --store {folder}/ten4/features
training corpus {folder}/ten5 --dances {ten},other --seed 821 --hours 8 {people} {longer}
    --store {folder}/ten5/features
training corpus {folder}/ten6 --dances {ten},other --seed 831 --hours 3.5 {people} {longer}
    --store {folder}/ten6/features
training corpus {folder}/ten7 --dances {ten},other --seed 841 --hours 8 {people} {longer}
    --store {folder}/ten7/features
training corpus {folder}/social4 --dances {social},other --seed 812 --hours 3 --other-share 0.3 {longer}
    --store {folder}/social4/features
training corpus {folder}/social5 --dances {social},other --seed 822 --hours 7 --other-share 0.3 {longer}
    --store {folder}/social5/features
training corpus {folder}/social6 --dances {social},other --seed 832 --hours 3 --other-share 0.3 {longer}
    --store {folder}/social6/features
training corpus {folder}/social7 --dances {social},other --seed 842 --hours 7 --other-share 0.3 {longer}
    --store {folder}/social7/features
training train {folder}/ten4/manifest.csv {folder}/ten5/manifest.csv {folder}/ten6/manifest.csv
    {folder}/ten7/manifest.csv {folder}/social4/manifest.csv {folder}/social5/manifest.csv
    {folder}/social6/manifest.csv {folder}/social7/manifest.csv {near}
    --weights {folder}/before/after.onnx -o {folder}/near1 --seed 5 --epochs 40 --evaluate-every 40
training train {folder}/ten6/manifest.csv {folder}/ten7/manifest.csv {folder}/social6/manifest.csv
    {folder}/social7/manifest.csv {near}
    --weights {folder}/before/after.onnx -o {folder}/near2 --seed 6 --epochs 24 --evaluate-every 24
training average {folder}/near1/last.pt {folder}/near2/last.pt --share 0.5 -o {folder}/near.pt
training corpus {folder}/calibration2 --dances {ten},{social},other --seed 553 --hours 4 --seconds 60
    --other-share 0.2 --soundfonts gmbank --no-audio --store {folder}/calibration2/features
training corpus {folder}/calibration3 --dances {ten},{social},other --seed 571 --hours 4 --seconds 60
    --other-share 0.2 --without-soundfonts gmbank --without-mixes radio --no-audio
    --store {folder}/calibration3/features
training corpus {folder}/test2 --dances {ten},{social},other --seed 552 --hours 2 --seconds 20
    --other-share 0.15 {held_out} --store {folder}/test2/features
training calibrate {folder}/near.pt {folder}/calibration2/manifest.csv@all
    {folder}/calibration3/manifest.csv@all --prior ballroom --max-error 0.15 --sequences 400
    -o {folder}/whichdance.pt
training evaluate {folder}/whichdance.pt held-out={folder}/test2/manifest.csv@all {real} -o {folder}/report
training tempo {folder}/test2/manifest.csv@all
export {folder}/whichdance.pt -o {folder}/models --name whichdance --version 3.1 --default
    --verify {folder}/test2/manifest.csv@all
    --rehearse {folder}/ten6/manifest.csv --rehearse {folder}/social6/manifest.csv
    --licence Apache-2.0 --evaluation {folder}/report/report.json
export {folder}/models/whichdance.onnx -o {folder}/models --int8 weights
    --verify {folder}/test2/manifest.csv@all
training calibrate {folder}/plain/best.pt {folder}/calibration/manifest.csv@all --prior collected
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
