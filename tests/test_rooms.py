"""The rooms of the package: what each may import, so that a script can be copied with the rooms it names."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "facegan"
MAY_IMPORT = {
    "common": set(),
    "preparing": {"common"},
    "metrics": {"common"},
    "training": {"common", "metrics"},
    "exploring": {"common", "metrics", "preparing"},
}
SCRIPTS = sorted(ROOT.glob("*.py"))
# "facegan.common.cli" → its file; a room's own name → its __init__.py.
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}
by_name = pytest.mark.parametrize("module", MODULES)


def imported(path):
    """Every module that a file imports, at the top or inside a function, by its full name.

    `from facegan.common import cli` gives "facegan.common" and "facegan.common.cli", whether that is a module or not.
    """
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imported_modules(path):
    """The package's own modules, without __init__ files, that a file imports."""
    return {name for name in imported(path) if name in MODULES and MODULES[name].name != "__init__.py"}


def room(module):
    return module.split(".")[1] if module.count(".") else None


def test_the_package_consists_of_the_five_rooms():
    assert {room(module) for module in MODULES} - {None} == MAY_IMPORT.keys()
    assert [path.name for path in PACKAGE.glob("*.py")] == ["__init__.py"]


@by_name
def test_a_room_imports_only_the_rooms_it_may(module):
    rooms = {room(name) for name in imported_modules(MODULES[module])}
    assert rooms <= MAY_IMPORT.get(room(module), set()) | {room(module)}


@by_name
def test_the_package_never_imports_a_script(module):
    assert not {path.stem for path in SCRIPTS} & set(imported(MODULES[module]))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_script_imports_rooms_and_no_other_script(script):
    assert not {path.stem for path in SCRIPTS} & set(imported(script))
    ours = {name for name in imported(script) if name.split(".")[0] == "facegan"}
    assert ours and all(room(name) in MAY_IMPORT for name in ours)


@pytest.mark.parametrize("module", [name for name, path in MODULES.items() if path.name == "__init__.py"])
def test_an_init_file_is_one_docstring(module):
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    assert len(tree.body) == 1 and ast.get_docstring(tree)


def test_no_module_is_in_a_circle_of_imports():
    reached = {name: imported_modules(path) for name, path in MODULES.items()}
    for middle in MODULES:  # Warshall's algorithm
        for names in reached.values():
            if middle in names:
                names |= reached[middle]
    assert [name for name, names in reached.items() if name in names] == []


def test_importing_all_of_common_loads_no_backend_and_no_other_room():
    names = [name for name in MODULES if room(name) == "common"]
    program = f"import sys, {', '.join(names)}\nprint(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(result.stdout.split())
    assert set(names) <= loaded
    assert not {"keras", "tensorflow", "jax", "torch"} & loaded
    assert {room(name) for name in loaded if name.split(".")[0] == "facegan"} <= {None, "common"}


def test_every_folder_of_tests_belongs_to_a_room_or_to_the_scripts():
    folders = {path.parent.relative_to(ROOT / "tests").as_posix() for path in (ROOT / "tests").rglob("*.py")}
    assert folders - {"."} == {*MAY_IMPORT, "scripts", "helpers"}
