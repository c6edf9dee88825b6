"""Runs python-for-android's own parsers over a command line; `python -m tests.mobile_app.p4a_arguments ARGS`.

ARGS are what buildozer calls the toolchain with. Prints, as JSON, the arguments that p4a's build.py ends up
with and the AndroidManifest.xml that it renders from them. Exits as p4a does where it refuses an argument. In
a process of its own, whose current folder becomes a distribution as the native build would leave it.
"""

import argparse
import importlib.util
import json
import shutil
import sys
from pathlib import Path
from typing import Any

DISTRIBUTION = {"bootstrap": "sdl2", "hostpython": sys.executable, "ndk_api": 24, "android_api": 36}


def build_arguments() -> tuple[list[str], list[str], str, list[str]]:
    """What the toolchain hands on to build.py, its architectures, its hook, and resources."""
    from pythonforandroid.toolchain import ToolchainCL

    found: list[Any] = []
    for name in ("apk", "aab"):
        setattr(ToolchainCL, name, lambda self, args: found.append(args))
    ToolchainCL()
    [args] = found
    return args.unknown_args, args.arch, args.hook, args.resources


def main() -> int:
    """Parse and render."""
    import jinja2
    import pythonforandroid

    unknown, archs, hook, resources = build_arguments()
    bootstraps = Path(pythonforandroid.__file__).parent / "bootstraps"
    shutil.copyfile(bootstraps / "common" / "build" / "build.py", "build.py")
    Path("dist_info.json").write_text(json.dumps(DISTRIBUTION))
    spec = importlib.util.spec_from_file_location("build", Path("build.py").absolute())
    assert spec is not None
    assert spec.loader is not None
    build = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build)
    args = build.create_argument_parser().parse_args(unknown)
    # As parse_args_and_make_package and make_package do, before they render the manifest.
    args.permissions = build.parse_permissions(args.permissions)
    args.manifest_orientation = build.get_manifest_orientation(args.orientation, args.manifest_orientation)
    args.numeric_version = args.numeric_version or "1"
    args.add_activity = args.add_activity or []
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(bootstraps / "_sdl_common" / "build" / "templates")
    )
    manifest = templates.get_template("AndroidManifest.tmpl.xml").render(
        args=args,
        android_api=36,
        service=False,
        service_data=[],
        native_services=args.native_services,
        debug=True,
    )
    common = jinja2.Environment(loader=jinja2.FileSystemLoader(bootstraps / "common" / "build" / "templates"))
    folders = [(folder, "**") for folder in args.extra_source_dirs]
    gradle = common.get_template("build.tmpl.gradle").render(
        args=argparse.Namespace(**vars(args) | {"extra_source_dirs": folders}),
        aars=[],
        jars=[],
        android_api=36,
        build_tools_version="36.0.0",
        debug_build=False,
    )
    told = {
        "archs": archs,
        "hook": hook,
        "resources": resources,
        "args": vars(args),
        "manifest": manifest,
        "gradle": gradle,
    }
    print("RESULT", json.dumps(told, default=str))
    return 0


if __name__ == "__main__":
    sys.exit(main())
