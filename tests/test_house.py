"""What the code promises of its own shape: short functions, few parameters, no bags of arguments.

A function's lines are all from `def` to its end, its docstring included; its parameters are all that it takes
but `self` and `cls`. Fields of dataclasses are data, not parameters.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("whichdance", "runtime", "training", "export", "mobile_app", "web_app", "benchmarks")
MAX_LINES = 80
MAX_PARAMETERS = 10
Function = ast.FunctionDef | ast.AsyncFunctionDef

MODULES = {
    str(path.relative_to(ROOT)): ast.parse(path.read_text(encoding="utf-8"))
    for package in PACKAGES
    for path in sorted((ROOT / package).rglob("*.py"))
    if "node_modules" not in path.parts
}


def _functions(tree: ast.AST) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def _parameters(function: Function) -> list[ast.arg]:
    found = function.args
    every = [*found.posonlyargs, *found.args, *found.kwonlyargs]
    return every[1:] if every and every[0].arg in ("self", "cls") else every


def _too_large(tree: ast.AST) -> list[str]:
    sizes = ((f.name, (f.end_lineno or 0) - f.lineno + 1, len(_parameters(f))) for f in _functions(tree))
    return [
        f"{name}: {lines} lines, {parameters} parameters"
        for name, lines, parameters in sizes
        if lines > MAX_LINES or parameters > MAX_PARAMETERS
    ]


def _with_bags(tree: ast.AST) -> list[str]:
    """Functions that get parsed arguments and are no command's own, or that hand them on."""
    commands = {
        keyword.value.id
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and getattr(call.func, "attr", "") == "set_defaults"
        for keyword in call.keywords
        if keyword.arg in ("func", "run") and isinstance(keyword.value, ast.Name)
    }
    faults = []
    for function in _functions(tree):
        for parameter in _parameters(function):
            if "Namespace" not in ast.unparse(parameter.annotation or ast.Constant("")):
                continue
            if function.name not in commands:
                faults.append(f"{function.name} takes {parameter.arg}")
            read = set()  # as in `args.seed` and `given(Machine, vars(args))`
            for node in ast.walk(function):
                if isinstance(node, ast.Attribute):
                    read.add(id(node.value))
                if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "vars":
                    read.add(id(node.args[0]))
            faults += [
                f"{function.name} hands {parameter.arg} on"
                for node in ast.walk(function)
                if isinstance(node, ast.Name) and node.id == parameter.arg and id(node) not in read
            ]
    return faults


def test_functions_are_short_and_take_little() -> None:
    found = {path: faults for path, tree in MODULES.items() if (faults := _too_large(tree))}
    assert not found


def test_parsed_arguments_end_at_the_command() -> None:
    folders = tuple(f"{package}/" for package in PACKAGES if package != "runtime")
    found = {
        path: faults
        for path, tree in MODULES.items()
        if path.startswith(folders) and (faults := _with_bags(tree))
    }
    assert not found


# One kind of thing, which each face, or each format, has of its own.
ONE_KIND = {"Microphone", "Tag"}


def test_names_mean_one_thing() -> None:
    """Classes and constants for others, by the package's modules; widgets are named after what they show."""
    places: dict[str, set[str]] = {}
    for path, tree in MODULES.items():
        if path.startswith("mobile_app/ui"):
            continue
        for node in tree.body:
            if isinstance(node, ast.ClassDef) or (
                isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "REGISTRY"
            ):
                name = node.name if isinstance(node, ast.ClassDef) else "REGISTRY"
                places.setdefault(name, set()).add(path)
    twice = {name: found for name, found in places.items() if len(found) > 1 and not name.startswith("_")}
    assert set(twice) <= ONE_KIND, twice


def test_these_tests_find_what_they_look_for() -> None:
    long = "def f(a):\n" + "    a += 1\n" * MAX_LINES
    many = f"def f(self, {', '.join(f'a{i}' for i in range(MAX_PARAMETERS))}, *, more): ...\n"
    assert not _too_large(ast.parse(long.rsplit("\n", 2)[0]))
    assert not _too_large(ast.parse(many.replace(", *, more", "")))
    assert _too_large(ast.parse(long))
    assert _too_large(ast.parse(many))
    command = "def _run(args: argparse.Namespace): {}\ncommand.set_defaults(func=_run)\n"
    assert not _with_bags(ast.parse(command.format("return f(args.x, given(Data, vars(args)))")))
    assert _with_bags(ast.parse(command.format("return f(args)")))
    assert _with_bags(ast.parse("def helper(a: int, args: argparse.Namespace): ..."))
