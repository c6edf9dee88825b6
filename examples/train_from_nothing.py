"""From an empty folder to a trained, evaluated and exported model, in under ten minutes on two cores.

    python examples/train_from_nothing.py FOLDER

Generates music, trains the small network on it, measures it on music that sounds different, and writes a
model file that `whichdance --model FOLDER/models/small.onnx RECORDING` loads. Each line below is a command
that you can run, and change, by itself; docs/training.md says what they do. For a good model give it more
music and more time: the shipped one differs in little else.
"""

import subprocess
import sys
from pathlib import Path

folder = Path(sys.argv[1])
COMMANDS = f"""
training corpus {folder}/music --hours 1.5 --seconds 20 --seed 1 --without-mixes radio
training corpus {folder}/other-music --hours 0.3 --seconds 20 --seed 2 --mixes radio
training train {folder}/music/manifest.csv -o {folder}/run --architecture rhythmogram --classes 11
    --epochs 40 --batch-size 32 --lr 0.003 --schedule onecycle --weight-decay 0.01 --stretch 0.04
training calibrate {folder}/run/best.pt {folder}/other-music/manifest.csv -o {folder}/calibrated.pt
training evaluate {folder}/calibrated.pt music={folder}/music/manifest.csv
    other-music={folder}/other-music/manifest.csv@all -o {folder}/report
export {folder}/calibrated.pt -o {folder}/models --name small --evaluation {folder}/report/report.json
"""

for command in COMMANDS.strip().replace("\n    ", " ").splitlines():
    print(f"\n$ python -m {command}", flush=True)
    subprocess.run([sys.executable, "-m", *command.split()], check=True)
