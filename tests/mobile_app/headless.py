"""What Kivy reads on import, for a window without a screen. Import this before anything of Kivy."""

import atexit
import os
import shutil
import tempfile

os.environ.setdefault("SDL_VIDEODRIVER", "offscreen")
os.environ.setdefault("SDL_AUDIODRIVER", "dummy")
os.environ.setdefault("LIBGL_ALWAYS_SOFTWARE", "1")
os.environ.setdefault("KIVY_METRICS_DENSITY", "1")
os.environ.setdefault("KIVY_LOG_MODE", "PYTHON")  # Kivy leaves logging and stderr alone
os.environ["KIVY_NO_ARGS"] = "1"
os.environ["KIVY_NO_FILELOG"] = "1"
os.environ["KIVY_HOME"] = tempfile.mkdtemp(prefix="kivy-")

from kivy.config import Config

for name, value in (("width", "411"), ("height", "866"), ("multisamples", "0"), ("maxfps", "0")):
    Config.set("graphics", name, value)
for device in list(Config.options("input")):
    Config.remove_option("input", device)  # touches come from tests, never from the machine
atexit.register(shutil.rmtree, os.environ["KIVY_HOME"], ignore_errors=True)
