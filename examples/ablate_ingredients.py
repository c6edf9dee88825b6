"""What each ingredient of the one model gives: the same short training without one of them at a time.

    python examples/ablate_ingredients.py FOLDER CLEAN.npz HALL.npz BALLROOM.npz [--epochs N] [--rows ROW …]

FOLDER holds corpora, at least `ten`, `social`, `humans`, `neighbours` and `test`, as `train_one_model.py`
makes them. Every row is a network from nothing after `--epochs` · 3 200 segments. Prints the table of all
rows that are done. An interrupted run goes on; rows may be made by several runs at once.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from training.markdown import table
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
    "consistent": {"alike": "--consistency 0.3"},
    "contrasted": {"alike": "--contrast 0.1"},
    "evenly_drawn": {"shares": ""},
    "float32": {"precision": ""},
    "compiled": {"compile": "--compile"},
    "batches_of_128": {"batches": "--batch-size 128 --batches-per-epoch 25"},
    "batches_of_256": {"batches": "--batch-size 256 --batches-per-epoch 13"},
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
    "alike": "",
    "shares": "--shares ten=0.45,other=0.2",
    "precision": "--precision {arithmetic}",
    "compile": "",
    "batches": "--batch-size 64 --batches-per-epoch 50",
}
RECIPE = """
training train {folder}/ten/manifest.csv {folder}/social/manifest.csv {people} {neighbours} {classes}
    --architecture rhythmogram --branches acf,mel {trunk} {width} {apart} {frames} {hall} {alike} {shares}
    {precision} {compile} {batches} --epochs {epochs} --evaluate-every {epochs} --lr 0.002
    --schedule onecycle --weight-decay 0.05 --dropout 0.3 --stretch 0.06 --tilt 2 --noise 0.3 --mask 0.3
    --threads 1 -o {folder}/ablation/NAME
training evaluate {folder}/ablation/NAME/last.pt held-out={folder}/test/manifest.csv@all clean={clean}
    hall={hall_songs} ballroom={ballroom} -o {folder}/ablation/NAME/report
"""
COLUMNS = (  # heading, dataset, its figure in report.json
    ("held-out top-1", "held-out", "top1"),
    ("clean† top-1", "clean", "top1"),
    ("segments", "clean", "segment_top1"),
    ("AUC", "clean", "others_auc"),
    ("own names", "clean", "social_first"),
    ("hall† top-1", "hall", "top1"),
    ("segments", "hall", "segment_top1"),
    ("AUC", "hall", "others_auc"),
    ("ballroom† top-1", "ballroom", "top1"),
)


def tabulated(folder: Path) -> str:
    """The table, in Markdown, of the rows that are done: shares in %, areas under the curve."""
    rows = []
    for name in ROWS:
        report = folder / "ablation" / name / "report" / "report.json"
        if report.exists():
            found = {one["name"]: one for one in json.loads(report.read_text(encoding="utf-8"))["datasets"]}
            rows.append([f"`{name}`", *(_cell(found[of][figure]) for _, of, figure in COLUMNS)])
    return table(["row", *(heading for heading, *_ in COLUMNS)], rows, right=(False, True))


def _cell(figure: Any) -> str:
    return f"{figure:.3f}" if isinstance(figure, float) else f"{100 * figure['value']:.1f}"


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
    result.add_argument(
        "--precision",
        default="bf16-mixed",
        help="arithmetic of all rows but `float32` (default: bf16-mixed; 32-true where a CPU has none)",
    )
    return result


def main(argv: Sequence[str] | None = None) -> None:
    """Train and evaluate row after row."""
    args = vars(parser().parse_args(argv))
    rows, arithmetic = args.pop("rows"), args.pop("precision")
    for row in rows:
        follow(RECIPE.replace("NAME", row), WHOLE | ROWS[row], arithmetic=arithmetic, **args)
    print(f"\n{tabulated(args['folder'])}")


if __name__ == "__main__":
    main()
