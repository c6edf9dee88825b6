"""What an hour of listening costs: `python -m tests.mobile_app.battery`.

Prints the seconds that one core works per second of sound, without the screen, for each setting of 'New
result every', without the count, and for 'Spare the battery'; and from that, with the power that a busy core
draws, the part of a phone's battery that an hour takes. The power is an assumption, named in the output, and
the rest of the phone (screen, microphone) comes on top.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from mobile_app.core.history import MICROPHONE, History
from mobile_app.core.listener import Ears, Feed, Listener, Options
from mobile_app.core.ring import RingBuffer
from mobile_app.core.settings import STRIDE_FRAMES, Preferences
from mobile_app.core.teacher import Teacher
from runtime import Model
from runtime.audio import read
from runtime.beat_activations import BeatModel
from runtime.mel import FRAME_RATE

EXAMPLE = Path(__file__).parents[2] / "examples" / "rumba.ogg"


def work_per_second(model: Model, preferences: Preferences, seconds: int) -> float:
    """Processor time of all threads per second of sound, from the ring buffer to the saved line."""
    samples, rate = read(EXAMPLE)
    sound = np.resize(samples, seconds * rate)
    with tempfile.TemporaryDirectory() as folder:
        history = History(Path(folder))
        listener = Listener(
            Ears(lambda: model, BeatModel.load, Teacher(Path(folder))),
            history,
            Options(preferences.stride, chunk_seconds=preferences.chunk_seconds, beats=preferences.beats),
            MICROPHONE,
            on_news=lambda: None,
            on_end=lambda feed, error: None,
        )
        feed = Feed(RingBuffer(8 * rate), rate)
        listener.start()
        began = time.process_time()
        listener.hear(feed)
        feed.ring.offer(sound)
        feed.end(None)
        feed.done.wait()
        took = time.process_time() - began
        listener.finish()
        history.close()
    return took / seconds


def main(arguments: list[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.mobile_app.battery", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--seconds", type=int, default=60, help="of sound for each setting (default: 60)")
    parser.add_argument("--watts", type=float, default=1.0, help="of a busy core (default: 1)")
    parser.add_argument("--battery", type=float, default=18.0, help="watt hours (default: 18)")
    options = parser.parse_args(arguments)
    model = Model.load(threads=1)
    work_per_second(model, Preferences(), 10)  # the first is slower: caches, and code that is loaded
    print("setting  update  work per second of sound  an hour at this speed")
    choices = {name: Preferences(update_rate=name) for name in STRIDE_FRAMES}
    choices |= {"no count": Preferences(count=False), "thrifty": Preferences(thrifty=True)}
    for name, preferences in choices.items():
        work = work_per_second(model, preferences, options.seconds)
        share = work * options.watts / options.battery
        print(f"{name:8s} {preferences.stride / FRAME_RATE:4.0f} s  {1000 * work:21.1f} ms  {share:20.2%}")
    print(f"(at {options.watts:g} W for a busy core and a battery of {options.battery:g} Wh)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
