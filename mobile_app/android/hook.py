"""python-for-android's hook: declares our services in the manifest that it has written.

Its own options declare services only without a type of a foreground service (`--native-service`), or in
processes of their own with a Python interpreter each (`--service`). Ours live in the app's own process, as
the listener's thread does. buildozer.spec names this file as `p4a.hook`; python-for-android's documentation
says under 'Build hooks' when each function is called.
"""

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

ANDROID = "http://schemas.android.com/apk/res/android"
COMPONENTS = Path(__file__).with_name("components.xml")
MANIFESTS = ("src/main/AndroidManifest.xml", "AndroidManifest.xml")  # within the distribution's folder


def before_apk_assemble(_toolchain: Any) -> None:
    """The manifest is written, gradle has not started; the current folder is the distribution's."""
    found = [Path(place) for place in MANIFESTS if Path(place).is_file()]
    if not found:
        raise FileNotFoundError(f"no AndroidManifest.xml in {Path.cwd()}: python-for-android has moved it")
    for path in found:
        path.write_text(with_components(path.read_text(encoding="utf-8")), encoding="utf-8")


def with_components(manifest: str) -> str:
    """A manifest with our components at the end of <application>, once."""
    ElementTree.register_namespace("android", ANDROID)
    root = ElementTree.fromstring(manifest)
    application = root.find("application")
    if application is None:
        raise ValueError("the manifest has no <application>")
    name = f"{{{ANDROID}}}name"
    present = {element.get(name) for element in application}
    for component in ElementTree.parse(COMPONENTS).getroot():
        if component.get(name) not in present:
            application.append(component)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"
