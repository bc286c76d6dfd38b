"""What the README, the docs and the scripts' own help print runs as it is printed."""

import ast
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import matplotlib.cbook
import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "pretrained" / "README.md", *sorted(ROOT.glob("docs/*.md"))]
PROGRAMS = [path for folder in (".", "benchmarks", "lessons") for path in sorted((ROOT / folder).glob("*.py"))]
MODULES = sorted(path for path in (ROOT / "facegan").rglob("*.py") if path.name != "__init__.py")
COMMAND = re.compile(r"python ((?:benchmarks/|lessons/)?[a-z_]+\.py)((?: [^`\n|]*)?)")


def text_of(path):
    """A page, or a program's docstring, with commands of several lines put on one."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        text = ast.get_docstring(ast.parse(text)) or ""
    return re.sub(r" *\\\n *", " ", text)


def commands_in(text):
    return [(script, shlex.split(arguments, comments=True)) for script, arguments in COMMAND.findall(text)]


PRINTED = {
    f"{path.relative_to(ROOT)}: {script} {' '.join(arguments)}": (script, arguments)
    for path in (*PAGES, *PROGRAMS)
    for script, arguments in commands_in(text_of(path))
}


@pytest.mark.parametrize(("script", "arguments"), PRINTED.values(), ids=list(PRINTED))
def test_every_command_printed_names_a_script_and_options_that_exist(script, arguments):
    source = (ROOT / script).read_text(encoding="utf-8")
    if "import train_gan" in source:
        source += (ROOT / "train_gan.py").read_text(encoding="utf-8")
    package = "".join(path.read_text(encoding="utf-8") for path in MODULES)
    for argument in arguments:
        if argument.startswith("--") and argument != "--help":
            assert f'"{argument.split("=")[0]}"' in source + package, argument


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_every_file_linked_to_is_there(page):
    for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
        assert (page.parent / link).exists(), link


def test_every_script_and_module_is_in_the_readme():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"\b[a-z_0-9]+\.py\b", text))
    scripts = {path.name for path in PROGRAMS if path.parent.name != "benchmarks"}
    assert sorted(({path.name for path in MODULES} | scripts) - named) == []


def test_no_module_in_the_readme_is_missing():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    there = {path.name for path in (*MODULES, *PROGRAMS, *(ROOT / "tests").rglob("*.py"))}
    assert sorted(set(re.findall(r"\b[a-z_0-9]+\.py\b", text)) - there) == []


def test_the_way_from_photographs_to_arithmetic_runs_as_printed(tmp_path):
    """In the order printed, on a few photographs and, to be quick, with a training of two steps."""
    photographs = tmp_path / "photos"
    photographs.mkdir()
    with matplotlib.cbook.get_sample_data("grace_hopper.jpg") as file:
        photograph = Image.open(file).convert("RGB")
    for number in range(6):
        width, height = photograph.size
        cut = photograph.crop((5 * number, 3 * number, width, height))
        (cut if number % 2 else cut.transpose(Image.Transpose.FLIP_LEFT_RIGHT)).save(photographs / f"{number}.jpg")
    shutil.make_archive(str(photographs), "zip", photographs)
    blocks = map(commands_in, text_of(ROOT / "README.md").split("```")[1::2])
    for script, arguments in next(block for block in blocks if block and block[0][0] == "prepare_faces.py"):
        if script == "train_gan.py":
            arguments += ["--steps", "2", "--save-every", "2", "--batch-size", "4", "--no-quality"]
        result = subprocess.run(
            [sys.executable, str(ROOT / script), *arguments], cwd=tmp_path, capture_output=True, text=True
        )
        assert result.returncode == 0, (script, result.stderr)
    made = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert {"data/faces32.npz", "data/faces32.csv", "faces.png", "path.png", "smiling_man.png"} <= made
    elsewhere = {path for path in made if not path.startswith(("photos", "data/faces32", "runs/faces32/"))}
    assert elsewhere == {"faces.png", "path.png", "smiling_man.png"}


@pytest.mark.parametrize("program", sorted(ROOT.glob("benchmarks/*.py")), ids=lambda path: path.name)
def test_every_benchmark_starts_in_any_folder(tmp_path, program):
    started = subprocess.run([sys.executable, program, "--help"], cwd=tmp_path, capture_output=True, text=True)
    assert started.returncode == 0, started.stderr
