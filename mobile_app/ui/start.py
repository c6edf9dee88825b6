"""Chooses the adapters for this device and runs the app."""

import os
from pathlib import Path

from kivy.config import Config
from kivy.utils import platform as kivy_platform


def start(source: str | None = None, folder: Path | None = None) -> int:
    """Run the app until it is closed; returns the exit status.

    Parameters
    ----------
    source : str, optional
        A recording that plays as if it were the microphone.
    folder : Path, optional
        Where history and settings are kept; the user's data folder for this app if None.
    """
    if kivy_platform != "android":
        Config.set("graphics", "width", "420")
        Config.set("graphics", "height", "860")
        Config.set("input", "mouse", "mouse,disable_multitouch")
    from kivy.core.clipboard import Clipboard
    from kivy.core.window import Window

    from mobile_app.ui.app import WhichDanceApp

    if kivy_platform == "android":
        from mobile_app.devices import android

        platform = android.platform()
        folder = folder or Path(os.environ["ANDROID_PRIVATE"]) / "whichdance"
    else:
        from mobile_app.devices import desktop

        system = desktop.DesktopSystem(
            copy=Clipboard.copy, allow_sleep=lambda allow: setattr(Window, "allow_screensaver", allow)
        )
        platform = desktop.platform(system)
        folder = folder or user_data_folder()
    WhichDanceApp(platform, folder, source=source).run()
    return 0


def user_data_folder() -> Path:
    """Where a desktop keeps what an app stores for its user."""
    home = Path.home()
    places = {
        "win": Path(os.environ.get("APPDATA", home / "AppData/Roaming")),
        "macosx": home / "Library/Application Support",
    }
    xdg = Path(os.environ.get("XDG_DATA_HOME") or home / ".local/share")
    return places.get(kivy_platform, xdg) / "whichdance"
