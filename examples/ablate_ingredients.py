"""What each ingredient of the one model gives: the same short training without one of them at a time.

    python examples/ablate_ingredients.py FOLDER CLEAN.npz HALL.npz BALLROOM.npz [--epochs N]

FOLDER is that of `train_one_model.py`, with its corpora. Every row is a network from nothing after
`--epochs` · 3 200 segments (the default: 96 000) in half an hour of two cores. An interrupted run goes on.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from training.recipe import follow

ROWS = {  # name: what replaces the phrases of the whole
    "all": {},
    "without_people": {"people": ""},
    "without_neighbours": {"neighbours": "", "new": ""},
    "without_halls": {"hall": "--hall 0"},
    "of_one_length": {"frames": ""},
    "together": {"apart": ""},
    "mobilenet": {"trunk": ""},
    "narrow": {"width": "--width 0.67"},
    "wide": {"width": "--width 1.33"},
    "float32": {"precision": ""},
    "large_batches": {"batches": "--batch-size 128 --batches-per-epoch 25"},
}
WHOLE = {
    "people": "{folder}/humans/manifest.csv",
    "neighbours": "{folder}/neighbours/manifest.csv",
    "classes": "--classes cha_cha_cha,jive,paso_doble,quickstep,rumba,samba,slow_foxtrot,slow_waltz,tango,"
    "viennese_waltz,bachata,salsa,merengue,west_coast_swing,discofox,nightclub_two_step,country_two_step,"
    "polka,zouk,cumbia{new},other",
    "new": ",mambo,east_coast_swing,lindy_hop,charleston,argentine_tango,vals,milonga",
    "hall": "--hall 0.6",
    "frames": "--frames 224,224,224,448,672",
    "apart": "--apart",
    "trunk": "--trunk dense",
    "width": "",
    "precision": "--precision bf16-mixed",
    "batches": "--batch-size 64 --batches-per-epoch 50",
}
RECIPE = """
training train {folder}/ten/manifest.csv {folder}/social/manifest.csv {people} {neighbours} {classes}
    --architecture rhythmogram --branches acf,mel {trunk} {width} {apart} {frames} {hall} {precision}
    {batches} --epochs {epochs} --evaluate-every {epochs} --lr 0.002 --schedule onecycle --weight-decay 0.05
    --dropout 0.3 --stretch 0.06 --tilt 2 --noise 0.3 --mask 0.3 --threads 1 -o {folder}/ablation/NAME
training evaluate {folder}/ablation/NAME/last.pt held-out={folder}/test/manifest.csv@all clean={clean}
    hall={hall_songs} ballroom={ballroom} -o {folder}/ablation/NAME/report
"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    result = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    result.add_argument("folder", type=Path, help="of train_one_model.py")
    for name in ("clean", "hall_songs", "ballroom"):
        result.add_argument(name, type=Path, metavar=f"{name.upper()}.npz", help="real songs to evaluate on")
    result.add_argument("--epochs", type=int, default=30, help="of 3 200 segments (default: 30)")
    result.add_argument("--rows", nargs="+", default=list(ROWS), choices=ROWS, help="which (default: all)")
    return result


def main(argv: Sequence[str] | None = None) -> None:
    """Train and evaluate row after row."""
    args = vars(parser().parse_args(argv))
    for row in args.pop("rows"):
        follow(RECIPE.replace("NAME", row), WHOLE | ROWS[row], **args)


if __name__ == "__main__":
    main()
