"""What holds for every script: help at once, errors in one line, and a docstring that names the files to copy."""

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SCRIPTS = sorted(path.name for path in ROOT.glob("*.py"))
# Numpy and Pillow take a tenth of a second; these take seconds.
HEAVY = {"tensorflow", "keras", "jax", "torch", "cv2", "mtcnn", "matplotlib"}


def imported(path):
    """Modules of facegan that a file imports anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "facegan":
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("facegan."):
            yield node.module.split(".")[1]


def needed(path, seen=()):
    """All modules of facegan that a file needs, those of its imports included."""
    modules = set(seen)
    for name in imported(path):
        if name not in modules:
            modules |= needed(ROOT / "facegan" / f"{name}.py", modules | {name})
    return modules


def named(script):
    """The modules that a script's docstring names after "Needs:"."""
    docstring = ast.get_docstring(ast.parse((ROOT / script).read_text(encoding="utf-8")))
    text = docstring[docstring.index("Needs:") + 6 :].split("\n\n")[0]
    return set(re.findall(r"[a-z_0-9]+", text.replace("facegan/", "").replace(".py", ""))) - {"and"}


def run_python(*arguments, cwd=ROOT):
    return subprocess.run([sys.executable, *arguments], cwd=cwd, capture_output=True, text=True)


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_names_exactly_the_modules_to_copy_with_it(script):
    assert named(script) == needed(ROOT / script)


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_imports_nothing_heavy_and_shows_the_docstring(script):
    program = (
        "import runpy, sys; sys.argv = [sys.argv[1], '--help']\n"
        "try: runpy.run_path(sys.argv[0], run_name='__main__')\n"
        f"except SystemExit: print('HEAVY', sorted({HEAVY} & sys.modules.keys()))"
    )
    result = run_python("-c", program, script)
    assert result.stdout.endswith("HEAVY []\n")
    first_line = ast.get_docstring(ast.parse((ROOT / script).read_text(encoding="utf-8"))).splitlines()[0]
    assert first_line in result.stdout


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_wrong_option_is_one_line_and_exit_code_2(script):
    result = run_python(script, "--no-such-option")
    assert result.returncode == 2
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert result.stderr.startswith(f"{script}: error: ")


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_copied_with_the_modules_it_names_can_import_them_all(script, tmp_path):
    shutil.copy(ROOT / script, tmp_path)
    (tmp_path / "facegan").mkdir()
    for name in ("__init__", *named(script)):
        shutil.copy(ROOT / "facegan" / f"{name}.py", tmp_path / "facegan")
    helped = run_python(script, "--help", cwd=tmp_path)
    assert helped.returncode == 0, helped.stderr


def test_the_package_never_imports_a_script_and_scripts_never_one_another():
    scripts = {Path(name).stem for name in SCRIPTS}
    for path in [*ROOT.glob("*.py"), *(ROOT / "facegan").glob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                assert not scripts & {alias.name for alias in node.names}, path
            elif isinstance(node, ast.ImportFrom):
                assert node.module not in scripts, path


@pytest.mark.parametrize("module", ["latents", "images", "presets"])
def test_the_base_modules_import_nothing_of_ours(module):
    assert list(imported(ROOT / "facegan" / f"{module}.py")) == []


def test_no_module_of_the_package_imports_in_a_circle():
    for path in (ROOT / "facegan").glob("*.py"):
        assert path.stem not in needed(path), path


def test_keras_without_its_backend_is_told_of_in_one_line(tmp_path):
    (tmp_path / "keras.py").write_text("raise ModuleNotFoundError('No module', name='jax')")
    program = (
        "import runpy, sys\n"
        f"sys.path[:0] = ['{tmp_path}', '{ROOT}']\n"
        "sys.argv = ['train_gan.py', 'mnist', '--preset', 'mnist28', '--out', 'run']\n"
        f"runpy.run_path('{ROOT / 'train_gan.py'}', run_name='__main__')"
    )
    result = run_python("-c", program, cwd=tmp_path)
    assert result.returncode == 2
    assert "KERAS_BACKEND" in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("script", ["train_gan.py", "evaluate.py", "demo.py"])
def test_a_python_without_the_packages_is_told_of_in_one_line(script):
    result = run_python("-S", script, "--help")
    assert result.returncode == 2
    assert "pip install -r requirements.txt" in result.stderr
    assert result.stderr.count("\n") == 1
