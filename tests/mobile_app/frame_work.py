"""Work per frame with half an hour of timeline at a phone's size.

`python -m tests.mobile_app.frame_work` prints what laying the timeline anew costs (when segments come in),
what scrolling costs (every frame), and how many points are drawn, for sessions of 1 to 120 minutes with a
segment every second.
"""

from tests.mobile_app import headless  # isort: skip  # noqa: F401

import statistics
import sys
import time
from collections.abc import Callable

import numpy as np

from mobile_app.core.timeline import Timeline
from mobile_app.ui.drawings import TimelineView
from runtime.dances import DANCE_KEYS, OTHER, TEN
from tests.mobile_app.driver import EventLoop, Window  # a window: textures need one

PHONE = (391, 170)  # dp, of the timeline on a phone of 411 × 866
REPEATS = 200


def milliseconds(work: Callable[[], None]) -> tuple[float, float]:
    """Median and 95th percentile of what some work takes."""
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        work()
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times), float(np.percentile(times, 95))


def main() -> int:
    """Measure and print."""
    EventLoop.ensure_window()
    Window.size = (411, 866)
    rng = np.random.default_rng(1)
    print("minutes  shown    columns  points  new segments: median, p95 [ms]  scroll: median, p95 [ms]")
    for minutes in (1, 30, 120):
        timeline, n = Timeline((*DANCE_KEYS, OTHER)), 60 * minutes
        timeline.extend([float(t) for t in range(n)], rng.dirichlet(np.ones(11) / 2, n).astype(np.float32))
        for whole in (False, True):
            view = TimelineView(
                size=PHONE,
                timeline=timeline,
                names={d.key: d.name for d in TEN},
                now=float(n),
                whole=whole,
            )
            view.draw()
            redraw = milliseconds(view.draw)

            def scroll(view: TimelineView = view) -> None:
                view.now += 1 / 60

            scrolled = milliseconds(scroll)
            points = 2 * view.n_columns * (len(DANCE_KEYS) + 1)
            shown = "all" if whole else "minute"
            print(
                f"{minutes:7d}  {shown:7s}  {view.n_columns:7d}  {points:6d}  "
                f"{redraw[0]:24.2f}, {redraw[1]:.2f}  {scrolled[0]:18.3f}, {scrolled[1]:.3f}"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
