"""What holds for every script: help at once, errors in one line, and a docstring that names the rooms to copy."""

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import drawing
import matplotlib.cbook
import pytest
import tiny

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted(path.name for path in ROOT.glob("*.py"))
ROOMS = {path.parent.name for path in (ROOT / "facegan").glob("*/__init__.py")}
# Numpy and Pillow take a tenth of a second; these take seconds.
HEAVY = {"tensorflow", "keras", "jax", "torch", "cv2", "mtcnn", "matplotlib", "rich"}
LONGEST_HELP = 60  # lines of 80 columns

every_script = pytest.mark.parametrize("script", SCRIPTS)


def docstring(script):
    return ast.get_docstring(ast.parse((ROOT / script).read_text(encoding="utf-8")))


def rooms_to_copy(script):
    """The rooms that plain use of a script needs, as its docstring says: "Copy with it: facegan/common; for …"."""
    (line,) = re.findall(r"^Copy with it: (.+)$", docstring(script), re.MULTILINE)
    needed = line.split(";")[0]
    return ROOMS if re.search(r"facegan\b(?!/)", needed) else ROOMS & set(re.findall(r"\w+", needed))


def copied(script, folder, rooms=()):
    """Copy a script with the rooms that it names, or with more, as a person would; the folder."""
    (folder / "facegan").mkdir(parents=True)
    shutil.copy(ROOT / script, folder)
    shutil.copy(ROOT / "facegan" / "__init__.py", folder / "facegan")
    for room in rooms_to_copy(script) | set(rooms):
        shutil.copytree(
            ROOT / "facegan" / room, folder / "facegan" / room, ignore=shutil.ignore_patterns("__pycache__")
        )
    return folder


def run_python(*arguments, cwd=ROOT, **options):
    return subprocess.run([sys.executable, *map(str, arguments)], cwd=cwd, capture_output=True, text=True, **options)


def refusal(result):
    """The one line with which a script refused its arguments."""
    assert result.returncode == 2, result.stderr
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1 and result.stderr.endswith("\n")
    return result.stderr


@every_script
def test_help_imports_nothing_heavy_and_shows_the_docstring(script):
    program = (
        "import runpy, sys; sys.argv = [sys.argv[1], '--help']\n"
        "try: runpy.run_path(sys.argv[0], run_name='__main__')\n"
        f"except SystemExit: print('HEAVY', sorted({HEAVY} & sys.modules.keys()))"
    )
    result = run_python("-c", program, script)
    assert result.stdout.endswith("HEAVY []\n")
    assert docstring(script).splitlines()[0] in result.stdout


@every_script
def test_help_fits_a_screen(script, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert len(run_python(script, "--help").stdout.splitlines()) <= LONGEST_HELP


@every_script
def test_a_wrong_option_is_one_line_and_exit_code_2(script):
    assert refusal(run_python(script, "--no-such-option")).startswith(f"{script}: error: ")


@every_script
def test_a_python_without_the_packages_is_reported_in_one_line(script):
    assert "pip install -r requirements.txt" in refusal(run_python("-S", script, "--help"))


def test_keras_without_its_backend_is_reported_in_one_line(tmp_path):
    (tmp_path / "keras.py").write_text("raise ModuleNotFoundError('No module', name='jax')")
    data = tiny.save_blobs(tmp_path / "faces.npz", shape=(32, 32, 3))
    program = (
        "import runpy, sys\n"
        f"sys.path[:0] = ['{tmp_path}', '{ROOT}']\n"
        f"sys.argv = ['train_gan.py', '{data}', '--preset', 'faces32', '--out', 'run', '--batch-size', '8']\n"
        f"runpy.run_path('{ROOT / 'train_gan.py'}', run_name='__main__')"
    )
    assert "KERAS_BACKEND" in refusal(run_python("-c", program, cwd=tmp_path))


TRAINING = ["faces.npz", "--preset", "cifar32", "--out", "run", "--steps", "2", "--batch-size", "4"]
# Plain use of each script: the rooms that it needs, its arguments, and a file that it then writes.
PLAIN_USES = {
    "generate.py": ({"common"}, ["--faces", "1-3", "--out", "faces.png"], "faces.png"),
    "interpolate.py": ({"common"}, ["--faces", "1,2", "--steps", "3", "--out", "path.png"], "path.png"),
    "export.py": ({"common"}, ["--out", "generator.keras"], "generator.keras"),
    "make_portraits.py": ({"common"}, ["--count", "1", "--out", "portraits"], "portraits/portrait_0001.jpg"),
    "vector_arithmetic.py": (
        {"common", "exploring"},
        ["--plus", "1,2", "--minus", "3", "--plus", "4", "--out", "sum.png"],
        "sum.png",
    ),
    "explore.py": (
        {"common", "exploring", "metrics"},
        ["--no-detector", "--map", "9", "--out", "explore.html"],
        "explore.html",
    ),
    "evaluate.py": (
        {"common", "metrics"},
        ["pretrained/portraits.h5", "--data", "faces.npz", "--count", "40", "--out", "report"],
        "report/quality.csv",
    ),
    "prepare_faces.py": ({"common", "preparing"}, ["photos", "--out", "faces32.npz", "--size", "32"], "faces32.npz"),
    "train_gan.py": ({"common", "training"}, [*TRAINING, "--no-quality"], "run/state.npz"),
}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """What scripts read: a tiny generator in the place of the bundled one, a data set, a folder with a photograph."""
    folder = tmp_path_factory.mktemp("inputs")
    (folder / "pretrained").mkdir()
    drawing.save_generator(folder / "pretrained" / "portraits.h5")
    tiny.save_blobs(folder / "faces.npz")
    (folder / "photos").mkdir()
    shutil.copy(matplotlib.cbook.get_sample_data("grace_hopper.jpg", asfileobj=False), folder / "photos")
    return folder


@pytest.mark.parametrize("script", PLAIN_USES)
def test_a_script_copied_with_the_rooms_it_names_runs(tmp_path, inputs, script):
    rooms, arguments, written = PLAIN_USES[script]
    assert rooms_to_copy(script) == rooms
    folder = copied(script, tmp_path / "copy")
    shutil.copytree(inputs, folder, dirs_exist_ok=True)
    result = run_python(script, *arguments, cwd=folder)
    assert result.returncode == 0, result.stderr
    assert (folder / written).is_file()


def test_the_demo_needs_every_room_and_shows_its_help_with_them(tmp_path):
    assert {*PLAIN_USES, "demo.py"} == set(SCRIPTS)  # none was forgotten above
    assert rooms_to_copy("demo.py") == ROOMS
    result = run_python("demo.py", "--help", cwd=copied("demo.py", tmp_path / "copy"))
    assert result.returncode == 0, result.stderr


PHOTO = "photos/grace_hopper.jpg"
# Script, what is asked for beyond plain use, the folders to copy for it.
FURTHER_USES = [
    ("generate.py", ["--faces", f"1,{PHOTO}", "--out", "a.png"], {"exploring", "preparing", "metrics"}),
    ("generate.py", ["--best", "2", "--out", "a.png"], {"metrics"}),
    ("interpolate.py", ["--faces", f"1,{PHOTO}", "--out", "a.png"], {"exploring", "preparing", "metrics"}),
    ("vector_arithmetic.py", ["--plus", f"1,{PHOTO}", "--out", "a.png"], {"preparing", "metrics"}),
    ("vector_arithmetic.py", ["--find-direction", "smile", "--save-direction", "smile.npz"], {"metrics"}),
    ("explore.py", ["--faces", f"1,{PHOTO}", "--out", "a.html"], {"preparing"}),
    ("train_gan.py", TRAINING, {"metrics"}),
]


@pytest.mark.parametrize(
    ("script", "arguments", "rooms"), FURTHER_USES, ids=[" ".join([use[0], *use[1]]) for use in FURTHER_USES]
)
def test_asking_for_what_was_not_copied_is_one_line_that_names_the_folders(tmp_path, inputs, script, arguments, rooms):
    folder = copied(script, tmp_path / "copy")
    shutil.copytree(inputs, folder, dirs_exist_ok=True)
    before = drawing.files_in(folder)
    line = refusal(run_python("-B", script, *arguments, cwd=folder))
    assert set(re.findall(r"facegan/(\w+)", line)) - {"common"} == rooms
    assert drawing.files_in(folder) == before


@pytest.mark.parametrize(
    ("script", "arguments", "room", "written"),
    [
        ("generate.py", ["--best", "2", "--of", "8", "--out", "best.png"], "metrics", "best.png"),
        ("train_gan.py", TRAINING, "metrics", "run/generator_best.h5"),
    ],
)
def test_what_was_asked_for_runs_once_its_folder_is_copied(tmp_path, inputs, script, arguments, room, written):
    folder = copied(script, tmp_path / "copy", rooms=[room])
    shutil.copytree(inputs, folder, dirs_exist_ok=True)
    result = run_python(script, *arguments, cwd=folder)
    assert result.returncode == 0, result.stderr
    assert (folder / written).is_file()
