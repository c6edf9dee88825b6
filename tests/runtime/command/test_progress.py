"""The progress bar, on a terminal and without one."""

import os
import pty
import select
import signal
import subprocess
import time

import pytest

from runtime.command import progress


def _on_terminal(arguments: list[str], *, interrupt_at: bytes | None = None) -> tuple[int, bytes]:
    """Run the command with standard error on a pseudo terminal; Ctrl-C once it shows something."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        arguments,
        stdin=slave,
        stdout=subprocess.PIPE,
        stderr=slave,
        start_new_session=True,
        env=os.environ | {"TERM": "xterm"},
    )
    os.close(slave)
    shown = b""
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        if select.select([master], [], [], 0.1)[0]:
            try:
                data = os.read(master, 65_536)
            except OSError:  # the last one has closed the terminal
                break
            shown += data
            if interrupt_at is not None and interrupt_at in shown:
                os.killpg(process.pid, signal.SIGINT)  # as the terminal does: to the whole group
                interrupt_at = None
        elif process.poll() is not None:
            break
    process.stdout.close()
    os.close(master)
    try:
        return process.wait(60), shown
    finally:
        process.kill()


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_ctrl_c_leaves_the_terminal_sane(program, sound, jobs):
    long = sound("long.wav", "jive", 600.0, 8_000)
    arguments = [*program, "--jobs", jobs, "--stride", "1", *[str(long)] * 50]
    status, shown = _on_terminal(arguments, interrupt_at=b"Listening")
    assert status == 130
    assert b"\x1b[?25l" in shown  # the progress bar hid the cursor
    assert shown.rfind(b"\x1b[?25h") > shown.rfind(b"\x1b[?25l")  # and it is back
    assert b"Traceback" not in shown
    assert b"KeyboardInterrupt" not in shown


def test_no_progress_bar_without_a_terminal(whichdance, music, monkeypatch):
    monkeypatch.setattr(progress, "DELAY", 0)
    assert whichdance(music / "a.wav", music / "b tango.flac")[2] == ""


@pytest.mark.parametrize(("total", "counted"), [(1, False), (3, True)])
def test_a_bar_counts_recordings_after_a_moment_and_goes(capfd, monkeypatch, total, counted):
    monkeypatch.setattr(progress, "DELAY", 0.01)
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich takes the stream for a terminal
    with progress.ProgressBar(total, shown=True) as bar:
        bar.advance()
        deadline = time.monotonic() + 20
        while bar._bar is None and time.monotonic() < deadline:
            time.sleep(0.01)
        bar.advance()
        time.sleep(0.3)  # rich draws ten times a second
    shown = capfd.readouterr().err
    assert "Listening" in shown
    assert ("2/3" in shown) is counted


def test_short_work_shows_nothing(capfd):
    with progress.ProgressBar(3, shown=True) as bar:
        bar.advance()
    assert bar._bar is None
    assert capfd.readouterr().err == ""
