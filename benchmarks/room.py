"""A room with a loudspeaker and a microphone, by pulseaudio: programs record what is played, bit for bit."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from runtime.errors import WhichdanceError

TOOLS = ("pulseaudio", "paplay")
STARTS = 10.0  # s in which it does, or not at all
SINK, SOURCE = "room", "microphone"
RATE = 44_100  # Hz


@dataclass(frozen=True)
class Room:
    """Where sound is played and heard.

    Attributes
    ----------
    environment : mapping of str to str
        Variables that make the room's microphone a program's own, by pulseaudio or ALSA.
    play : tuple of str
        The command that plays a file there, but for the file's name; in that environment.
    """

    environment: Mapping[str, str]
    play: tuple[str, ...] = ("paplay", f"--device={SINK}")


def lacking() -> list[str]:
    """Tools that a room needs and that are not there."""
    return [tool for tool in TOOLS if shutil.which(tool) is None]


@contextmanager
def room(folder: Path) -> Iterator[Room]:
    """A pulseaudio of one's own, with a sink that is a microphone's source, while the context lasts.

    Parameters
    ----------
    folder : Path
        For its socket and settings.

    Raises
    ------
    WhichdanceError
        If it is not installed, or does not start.
    """
    if missing := lacking():
        raise WhichdanceError(f"{missing[0]} is not installed (Debian: pulseaudio pulseaudio-utils)")
    socket, asound = folder / "pulse.socket", folder / "asound.conf"
    asound.write_text(
        "</usr/share/alsa/alsa.conf>\npcm.!default { type pulse }\nctl.!default { type pulse }\n"
    )
    modules = (
        f"module-null-sink sink_name={SINK} rate={RATE} channels=2",
        f"module-remap-source source_name={SOURCE} master={SINK}.monitor channels=1 master_channel_map=left",
        f"module-native-protocol-unix auth-anonymous=1 socket={socket}",
    )
    options = ("-n", "--daemonize=no", "--use-pid-file=no", "--exit-idle-time=-1", "--log-level=error")
    command = ["pulseaudio", *options, *(f"--load={module}" for module in modules)]
    own = os.environ | {"HOME": str(folder), "XDG_RUNTIME_DIR": str(folder)}
    with subprocess.Popen(command, env=own) as daemon:
        try:
            deadline = time.monotonic() + STARTS
            while not socket.exists():
                if time.monotonic() > deadline or daemon.poll() is not None:
                    raise WhichdanceError("pulseaudio does not start here")
                time.sleep(0.05)
            yield Room(
                {
                    "ALSA_CONFIG_PATH": str(asound),
                    "PULSE_SERVER": f"unix:{socket}",
                    "PULSE_SINK": SINK,
                    "PULSE_SOURCE": SOURCE,
                }
            )
        finally:
            daemon.terminate()
