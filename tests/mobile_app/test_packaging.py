"""What goes into the phone's package, as far as it can be checked without the Android SDK."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mobile_app import stage

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
        "android.api": "35",
        "android.minapi": "24",
        "android.ndk": "28c",
        "android.allow_backup": "False",
        "android.gradle_dependencies": "com.microsoft.onnxruntime:onnxruntime-android:1.27.0",
    }
    assert {key: spec.get("app", key) for key in wanted} == wanted
    assert spec.getlist("app", "android.archs") == ["arm64-v8a"]
    assert spec.getlist("app", "requirements") == ["python3", "kivy==2.3.1", "pyjnius", "android", "numpy"]
    assert {"py", "kv", "mo", "onnx"} <= set(spec.getlist("app", "source.include_exts"))


def test_no_permission_to_use_the_network(spec) -> None:
    permissions = spec.getlist("app", "android.permissions")
    assert set(permissions) == {"android.permission.RECORD_AUDIO", "android.permission.VIBRATE"}


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
    models = {f"runtime/models/{path.name}" for path in (ROOT / "runtime" / "models").glob("*.onnx")}
    assert models <= files
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
