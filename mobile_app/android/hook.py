"""python-for-android's hook: what its own options can't say, put into the files that it has written.

Into the manifest our services: its options declare services only without a type of a foreground service
(`--native-service`), or in processes of their own with a Python interpreter each (`--service`). Ours live in
the app's own process, as the listener's thread does. Into gradle's file the kinds of processors: the AAR of
onnxruntime brings its library for all of them, and a 32-bit phone would install an app without Python in it.

buildozer.spec names this file as `p4a.hook`; python-for-android's documentation says under 'Build hooks' when
each function is called.
"""

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

ANDROID = "http://schemas.android.com/apk/res/android"
COMPONENTS = Path(__file__).with_name("components.xml")
MANIFESTS = ("src/main/AndroidManifest.xml", "AndroidManifest.xml")  # within the distribution's folder
LIBRARIES = Path("libs")  # one folder for each kind of processor that it was built for


def before_apk_assemble(_toolchain: Any) -> None:
    """The files are written, gradle has not started; the current folder is the distribution's."""
    found = [Path(place) for place in MANIFESTS if Path(place).is_file()]
    if not found:
        raise FileNotFoundError(f"no AndroidManifest.xml in {Path.cwd()}: python-for-android has moved it")
    for path in found:
        path.write_text(with_components(path.read_text(encoding="utf-8")), encoding="utf-8")
    kinds = sorted(path.name for path in LIBRARIES.iterdir() if list(path.glob("lib*.so")))
    gradle = Path("build.gradle")
    gradle.write_text(with_processors(gradle.read_text(encoding="utf-8"), kinds), encoding="utf-8")


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


def with_processors(gradle: str, kinds: list[str]) -> str:
    """Gradle's file with the kinds of processors that the app runs on, once."""
    if not kinds:
        raise ValueError(f"no libraries in {Path.cwd() / LIBRARIES}: python-for-android has moved it")
    if "abiFilters" in gradle:
        return gradle
    names = ", ".join(f"'{kind}'" for kind in kinds)
    changed, count = re.subn(
        r"^(\s*)defaultConfig \{\n",
        lambda found: f"{found[0]}{found[1]}    ndk {{ abiFilters {names} }}\n",
        gradle,
        count=1,
        flags=re.MULTILINE,
    )
    if not count:
        raise ValueError("build.gradle has no defaultConfig: python-for-android's template has changed")
    return changed
