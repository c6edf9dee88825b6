"""What goes into the phone's package, as far as it can be checked without the Android SDK."""

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from PIL import Image

from mobile_app import stage
from runtime.model import shipped

ROOT = Path(__file__).parents[2]
APP = ROOT / "mobile_app"
NETWORK = {
    "socket",
    "ssl",
    "http",
    "urllib",
    "requests",
    "ftplib",
    "smtplib",
    "asyncio",
    "xmlrpc",
    "socketserver",
}


@pytest.fixture(scope="module")
def spec():
    buildozer = pytest.importorskip("buildozer")
    here = Path.cwd()
    os.chdir(APP)
    try:
        made = buildozer.Buildozer("buildozer.spec")
        made.check_configuration_tokens()  # exits on a mistake
        yield made.config
    finally:
        os.chdir(here)


def test_buildozer_parses_the_spec(spec) -> None:
    wanted = {
        "android.api": "36",  # Play demands it since 31 August 2026
        "android.minapi": "24",
        "android.ndk": "28c",
        "android.allow_backup": "False",
        "android.gradle_dependencies": "com.microsoft.onnxruntime:onnxruntime-android:1.27.0",
    }
    assert {key: spec.get("app", key) for key in wanted} == wanted
    assert spec.getlist("app", "android.archs") == ["arm64-v8a", "x86_64"]
    names = [requirement.split("==")[0] for requirement in spec.getlist("app", "requirements")]
    assert names == ["python3", "hostpython3", "kivy", "pyjnius", "android", "numpy"]
    assert {"py", "kv", "mo", "onnx"} <= set(spec.getlist("app", "source.include_exts"))
    for key in ("p4a.hook", "android.add_src", "android.add_resources", "android.extra_manifest_xml"):
        assert (APP / spec.get("app", key)).exists(), key


PERMISSIONS = {
    f"android.permission.{name}"
    for name in (
        "RECORD_AUDIO",
        "VIBRATE",
        "FOREGROUND_SERVICE",
        "FOREGROUND_SERVICE_MICROPHONE",
        "POST_NOTIFICATIONS",
    )
}


def test_no_permission_to_use_the_network(spec) -> None:
    assert set(spec.getlist("app", "android.permissions")) == PERMISSIONS


@pytest.fixture(scope="module")
def staged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stage") / "app"
    stage.stage(folder)
    return folder


class Composed(Exception):
    """The command line is there; what would run it is not."""


def compose(mode: str, staged: Path, **changes: str) -> list[str]:
    """The command line that buildozer calls python-for-android with, from our spec."""
    buildozer = pytest.importorskip("buildozer")
    from buildozer.targets import android

    here, commands = Path.cwd(), list[list[str]]()
    os.chdir(APP)
    try:
        maker = buildozer.Buildozer("buildozer.spec")
        maker.environ, maker.targetname = dict(os.environ), "android"
        maker.config.set("app", "source.dir", str(staged))
        # python-for-android refuses to build below a folder with a space; a checkout may lie in one
        maker.config.set("buildozer", "build_dir", str(staged.parent / "buildozer"))
        for key, value in changes.items():
            maker.config.set("app", key.replace("__", "."), value)
        target = android.TargetAndroid(maker)
        target.build_mode, target.artifact_format = mode, "apk" if mode == "debug" else "aab"

        class Here(type(target)):
            android_api = "36"

            def get_dist_dir(self, name: str) -> str:
                return str(staged.parent)

            def _update_libraries_references(self, folder: str) -> None: ...

            def _p4a(self, cmd: list[str], env: object, **rest: object) -> None:
                commands.append([*cmd, *self.extra_p4a_args])
                raise Composed

        target.__class__ = Here
        with pytest.raises(Composed):
            target.build_package()
    finally:
        os.chdir(here)
    return commands[0]


def parsed(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """That command line, read by python-for-android's own parsers."""
    pytest.importorskip("pythonforandroid")
    module = [sys.executable, "-m", "tests.mobile_app.p4a_arguments"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run([*module, *command], cwd=folder, env=environment, capture_output=True, text=True)


# buildozer leaves the XML files open that it reads.
unclosed = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning"
)


@unclosed
@pytest.mark.parametrize("mode", ["debug", "release"])
def test_python_for_android_takes_every_argument(staged: Path, tmp_path: Path, mode: str) -> None:
    run = parsed(compose(mode, staged), tmp_path)
    assert run.returncode == 0, run.stderr
    told = json.loads(run.stdout.split("RESULT ")[1])
    assert told["archs"] == ["arm64-v8a", "x86_64"]
    args = told["args"]
    assert {permission["name"] for permission in args["permissions"]} == PERMISSIONS
    assert args["allow_backup"] == "false"
    assert args["display_cutout"] == "shortEdges"
    assert args["build_mode"] == mode
    assert Path(told["hook"]).is_file()
    assert any((Path(folder) / "org").is_dir() for folder in args["extra_source_dirs"])
    [resources] = told["resources"]
    source, _, target = resources.partition(":")
    assert target == ""  # into the folder `res` itself
    assert (Path(source) / "drawable" / "ic_microphone.xml").is_file()
    _check_manifest(told["manifest"], told["gradle"], tmp_path, Path(told["hook"]))


def _check_manifest(manifest: str, gradle: str, folder: Path, hook: Path) -> None:
    """Our hook, run as the toolchain runs it, on what p4a's own templates give."""
    place = folder / "src" / "main" / "AndroidManifest.xml"
    place.parent.mkdir(parents=True)
    place.write_text(manifest, encoding="utf-8")
    (folder / "build.gradle").write_text(gradle, encoding="utf-8")
    for kind in ("arm64-v8a", "x86_64"):
        (folder / "libs" / kind).mkdir(parents=True)
        (folder / "libs" / kind / "libmain.so").touch()
    (folder / "libs" / "some.aar").touch()
    code = (
        "from pythonforandroid.util import load_source\n"
        "import sys\n"
        "for _ in range(2):  # buildozer builds twice\n"
        "    load_source('pythonforandroid.hook', sys.argv[1]).before_apk_assemble(None)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(hook)], cwd=folder, check=True)
    # Else a 32-bit phone would install the app: onnxruntime's AAR has a library for it, Python has none.
    changed = (folder / "build.gradle").read_text(encoding="utf-8")
    [filters] = re.findall(r"defaultConfig \{\s+ndk \{ abiFilters (.*) \}\n\s+minSdkVersion", changed)
    assert filters == "'arm64-v8a', 'x86_64'"
    assert changed.count("abiFilters") == 1
    assert changed.count("{") == changed.count("}")
    root = ElementTree.parse(place).getroot()
    queried = {
        action.get("{http://schemas.android.com/apk/res/android}name") for action in root.iter("action")
    }
    assert "android.intent.action.TTS_SERVICE" in queried  # else Android 11 hides all voices
    assert [e.tag for e in root.iter() if e.tag == "queries"] == ["queries"]
    name = "{http://schemas.android.com/apk/res/android}"
    features = {f.get(f"{name}name"): f.get(f"{name}required") for f in root.iter("uses-feature")}
    assert features["android.hardware.microphone"] == "false"
    application = root.find("application")
    assert application is not None
    assert application.get(f"{name}allowBackup") == "false"
    # Android 16 no longer sends the key that Kivy takes for 'back', unless the app says so.
    assert application.get(f"{name}enableOnBackInvokedCallback") == "false"
    services = {service.get(f"{name}name"): service for service in application.findall("service")}
    assert set(services) == {
        "org.whichdance.whichdance.ListenService",
        "org.whichdance.whichdance.ListenTile",
    }
    assert len(application.findall("service")) == 2
    listens = services["org.whichdance.whichdance.ListenService"]
    assert listens.get(f"{name}foregroundServiceType") == "microphone"
    assert listens.get(f"{name}exported") == "false"
    assert listens.get(f"{name}process") is None  # the app's own, where the listener's thread is
    tile = services["org.whichdance.whichdance.ListenTile"]
    assert tile.get(f"{name}permission") == "android.permission.BIND_QUICK_SETTINGS_TILE"
    assert (
        tile.get(f"{name}icon") == "@drawable/ic_microphone"
    )  # of the app's icon only a square would be seen
    for service in services:
        java = APP / "android" / "java" / Path(*str(service).split(".")).with_suffix(".java")
        assert java.is_file()
    for activity in application.iter("activity"):
        assert activity.get(f"{name}exported") == "true"


def test_the_icon_of_the_tile_is_a_shape() -> None:
    """Android fills it with a colour of its own: what is drawn is white, on nothing."""
    root = ElementTree.parse(APP / "android" / "res" / "drawable" / "ic_microphone.xml").getroot()
    android = "{http://schemas.android.com/apk/res/android}"
    assert root.tag == "vector"
    colours = [value for path in root for key, value in path.attrib.items() if key.endswith("Color")]
    assert set(colours) == {"#ffffffff"}
    assert all(path.get(f"{android}pathData") for path in root)


def test_a_hook_whose_template_has_changed_says_so(tmp_path: Path) -> None:
    from mobile_app.android.hook import with_processors

    with pytest.raises(ValueError, match="defaultConfig"):
        with_processors("android {}", ["arm64-v8a"])
    with pytest.raises(ValueError, match="libraries"):
        with_processors("android {}", [])


def test_versions_are_those_that_python_for_android_builds_together(spec) -> None:
    """Its CI builds its recipes as they stand: another version would have been built by nobody."""
    pytest.importorskip("pythonforandroid")
    pinned = dict(
        requirement.split("==") for requirement in spec.getlist("app", "requirements") if "==" in requirement
    )
    assert pinned.keys() == {"python3", "hostpython3", "kivy", "pyjnius", "numpy"}
    code = (
        "from pythonforandroid.toolchain import Context\n"
        "from pythonforandroid.recipe import Recipe\n"
        "context = Context()\n"
        f"for name in {sorted(pinned)!r}:\n"
        "    print('VERSION', name, Recipe.get_recipe(name, context)._version)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert dict(re.findall(r"^VERSION (\S+) (\S+)$", run.stdout, re.MULTILINE)) == pinned


@unclosed
def test_an_option_that_python_for_android_refuses_is_found(staged: Path, tmp_path: Path) -> None:
    """What was there before: after the whole native build, build.py would have refused it."""
    run = parsed(compose("debug", staged, android__features="android.hardware.microphone"), tmp_path)
    assert run.returncode == 2
    assert "unrecognized arguments: --feature" in run.stderr


def test_no_network_code() -> None:
    for path in [*APP.rglob("*.py"), *(ROOT / "runtime").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not NETWORK & {name.split(".")[0] for name in names}, path


def test_python_for_android_resolves_the_requirements(spec) -> None:
    pytest.importorskip("pythonforandroid")
    names = [name.split("==")[0] for name in spec.getlist("app", "requirements")]
    code = (
        "from pythonforandroid.toolchain import Context\n"
        "from pythonforandroid.bootstrap import Bootstrap\n"
        "from pythonforandroid.recipe import Recipe\n"
        "from pythonforandroid.graph import get_recipe_order_and_bootstrap\n"
        "context = Context()\n"
        f"bootstrap = Bootstrap.get_bootstrap({spec.get('app', 'p4a.bootstrap')!r}, context)\n"
        f"order, modules, _ = get_recipe_order_and_bootstrap(context, {names!r}, bootstrap)\n"
        "print('ORDER', ' '.join(order))\n"
        "print('KIVY', Recipe.get_recipe('kivy', context).version)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    order = re.search(r"^ORDER (.*)$", run.stdout, re.MULTILINE)
    assert order is not None
    recipes = order[1].split()
    assert set(names) | {"sqlite3", "sdl2"} <= set(recipes)
    assert recipes.index("python3") < recipes.index("numpy")
    assert not {"scipy", "soundfile", "onnxruntime"} & set(recipes)
    assert "KIVY 2.3.1" in run.stdout


def test_the_stage_holds_the_app_and_starts_from_its_main(tmp_path: Path) -> None:
    files = {path.as_posix() for path in stage.stage(tmp_path / "app")}
    assert {"main.py", "icon.png", "mobile_app/main.py", "runtime/mel.py", "mobile_app/ui/listen.kv"} <= files
    assert {
        f"mobile_app/locale/{code}/LC_MESSAGES/whichdance.mo" for code in ("en", "de", "cs", "es")
    } <= files
    default = next(iter(shipped().values()))["file"]
    networks = {file for file in files if file.endswith(".onnx")}
    assert networks == {f"runtime/models/{default}", "runtime/models/beats.onnx"}
    assert not any(file.startswith("runtime/command") for file in files)
    assert not any(
        "build" in file or "test" in file or file.endswith((".po", ".spec", ".md")) for file in files
    )
    # Alone in its folder, without onnxruntime and soundfile, as on the phone.
    code = (
        "import sys\n"
        "for name in ('onnxruntime', 'soundfile', 'sounddevice', 'rich'):\n"
        "    sys.modules[name] = None\n"
        "sys.path[:0] = ['.']\n"
        "import mobile_app, platform\n"
        "assert mobile_app.__file__.startswith(sys.argv[1]) and platform.python_version()\n"
        "import mobile_app.core.session, mobile_app.devices.android, mobile_app.core.translations as t\n"
        "from runtime.model import resolve, shipped\n"
        "assert list(shipped()) == [next(iter(shipped()))] and resolve().is_file()\n"
        "from runtime.beat_activations import shipped_beats\n"
        "assert shipped_beats().is_file()\n"
        "import mobile_app.core.teacher\n"
        "print(t.Translator('de')('Settings'))\n"
    )
    folder = tmp_path / "app"
    run = subprocess.run(
        [sys.executable, "-I", "-c", code, str(folder)], cwd=folder, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == "Einstellungen"
    compile((folder / "main.py").read_text(), "main.py", "exec")


def test_command_line_names_a_missing_file(capsys: pytest.CaptureFixture[str]) -> None:
    from mobile_app.main import main

    assert main(["--source", "no/such/file.wav"]) == 1
    assert "no/such/file.wav: no such file" in capsys.readouterr().err


@pytest.mark.parametrize("language", ["en-US", "de-DE", "cs-CZ", "es-ES"])
def test_store_texts_keep_to_the_stores_limits(language: str) -> None:
    """Play's and F-Droid's limits, in characters."""
    folder = ROOT / "fastlane" / "metadata" / "android" / language
    for name, limit in (("title", 30), ("short_description", 80), ("full_description", 4000)):
        text = (folder / f"{name}.txt").read_text(encoding="utf-8").strip()
        assert 0 < len(text) <= limit, name


@pytest.mark.parametrize("language", ["en-US", "de-DE", "cs-CZ", "es-ES"])
def test_store_pictures_are_such_as_play_takes(language: str) -> None:
    """24 bits without transparency, no side longer than twice the other; those of the app in 1080 × 1920."""
    folder = ROOT / "fastlane" / "metadata" / "android" / language / "images"
    pictures = sorted((folder / "phoneScreenshots").iterdir())
    assert 4 <= len(pictures) <= 8
    for path in pictures:
        with Image.open(path) as picture:
            assert (picture.format, picture.mode, picture.size) == ("PNG", "RGB", (1080, 1920)), path
            assert len(picture.getcolors(1 << 20) or ()) > 10, path  # not an empty screen
    if language == "en-US":
        with Image.open(folder / "icon.png") as icon, Image.open(folder / "featureGraphic.png") as banner:
            assert (icon.mode, icon.size) == ("RGBA", (512, 512))
            assert (banner.mode, banner.size) == ("RGB", (1024, 500))
        assert (folder / "icon.png").stat().st_size < 1 << 20


def test_the_workflow_names_what_the_host_needs() -> None:
    workflow = (ROOT / ".github" / "workflows" / "android.yml").read_text(encoding="utf-8")
    readme = (APP / "README.md").read_text(encoding="utf-8")
    for package in ("autoconf", "libtool", "patchelf"):
        assert package in workflow
        assert package in readme
