"""What halls, social dances and the teacher give: the same short fine-tuning without one of them at a time.

    python examples/ablate_model_2.py FOLDER ARRAYS.npz HALL.npz BALLROOM.npz

FOLDER is that of `train_shipped_model.py`, after its fine-tuning has begun: the corpora `ten` and `social`,
the corpus `test`, and what fine-tuning started from. Every row is the rhythmogram's autocorrelation branch
after 32 000 segments. An interrupted run goes on.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from training.recipe import follow

PHRASES = {
    "tuned": "{folder}/ten/manifest.csv {folder}/social/manifest.csv --architecture rhythmogram "
    "--branches acf --weights {folder}/acf0/last.pt --batch-size 64 --batches-per-epoch 50 --epochs 10 "
    "--evaluate-every 10 --lr 0.001 --schedule onecycle --weight-decay 0.05 --dropout 0.3 "
    "--stretch 0.06 --tilt 2 --noise 0.3 --mask 0.3",
    "social": "--classes {ten},bachata,salsa,merengue,west_coast_swing,discofox,nightclub_two_step,"
    "country_two_step,polka,zouk,cumbia,other",
    "eleven": "--classes {ten},other",
    "ten": "cha_cha_cha,jive,paso_doble,quickstep,rumba,samba,slow_foxtrot,slow_waltz,tango,viennese_waltz",
    "teacher": "--teacher {folder}/start.pt --distil 0.5",
    "sets": "held-out={folder}/test/manifest.csv@all clean={clean} hall={hall} ballroom={ballroom}",
}
RECIPE = """
training train {tuned} {social} {teacher} --hall 0.5 -o {folder}/ablation/all
training evaluate {folder}/ablation/all/last.pt {sets}
training train {tuned} {social} {teacher} --hall 0 -o {folder}/ablation/no_hall
training evaluate {folder}/ablation/no_hall/last.pt {sets}
training train {tuned} {eleven} {teacher} --hall 0.5 -o {folder}/ablation/no_social
training evaluate {folder}/ablation/no_social/last.pt {sets}
training train {tuned} {social} --hall 0.5 -o {folder}/ablation/no_teacher
training evaluate {folder}/ablation/no_teacher/last.pt {sets}
"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    result = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    result.add_argument("folder", type=Path, help="of train_shipped_model.py")
    for name in ("clean", "hall", "ballroom"):
        result.add_argument(name, type=Path, metavar=f"{name.upper()}.npz", help="real songs to evaluate on")
    return result


def main(argv: Sequence[str] | None = None) -> None:
    """Follow the recipe."""
    follow(RECIPE, PHRASES, **vars(parser().parse_args(argv)))


if __name__ == "__main__":
    main()
