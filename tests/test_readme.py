"""What the README prints runs as it is printed."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import matplotlib.cbook
import pytest
from PIL import Image

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "pretrained" / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
COMMAND = re.compile(r"python ((?:benchmarks/)?[a-z_]+\.py)((?: [^`\n|]*)?)")


def commands_in(text):
    return [(script, shlex.split(arguments, comments=True)) for script, arguments in COMMAND.findall(text)]


def printed():
    return {
        f"{page.relative_to(ROOT)}: {script} {' '.join(arguments)}": (script, arguments)
        for page in PAGES
        for script, arguments in commands_in(page.read_text(encoding="utf-8"))
    }


@pytest.mark.parametrize("command", printed())
def test_every_command_printed_names_a_script_and_options_that_exist(command):
    script, arguments = printed()[command]
    source = (ROOT / script).read_text(encoding="utf-8")
    if "import train_gan" in source:
        source += (ROOT / "train_gan.py").read_text(encoding="utf-8")
    package = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "facegan").glob("*.py"))
    for argument in arguments:
        if argument.startswith("--") and argument != "--help":
            assert f'"{argument.split("=")[0]}"' in source + package, argument


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_every_file_linked_to_is_there(page):
    for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
        assert (page.parent / link).exists(), link


def test_every_module_of_the_package_stands_in_the_readme():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    missing = [path.stem for path in (ROOT / "facegan").glob("*.py") if f"`{path.stem}`" not in text]
    assert missing == ["__init__"] or missing == []


def test_the_way_from_photographs_to_arithmetic_runs_as_printed(tmp_path):
    """In the order printed, on a few photographs and, since a test has no minutes, with a training of two steps."""
    photographs = tmp_path / "photos"
    photographs.mkdir()
    with matplotlib.cbook.get_sample_data("grace_hopper.jpg") as file:
        photograph = Image.open(file).convert("RGB")
    for number in range(6):
        width, height = photograph.size
        cut = photograph.crop((5 * number, 3 * number, width, height))
        (cut if number % 2 else cut.transpose(Image.Transpose.FLIP_LEFT_RIGHT)).save(photographs / f"{number}.jpg")
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text[text.index("## From photographs") :].split("```")[1]
    for script, arguments in commands_in(section):
        arguments = ["photos" if argument == "photos.zip" else argument for argument in arguments]
        if script == "train_gan.py":
            arguments += ["--steps", "2", "--batch-size", "4", "--no-quality"]
        result = subprocess.run(
            [sys.executable, str(ROOT / script), *arguments], cwd=tmp_path, capture_output=True, text=True
        )
        assert result.returncode == 0, (script, result.stderr)
    made = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert {"data/faces32.npz", "data/faces32.csv", "faces.png", "path.png", "smiling_man.png"} <= made
    elsewhere = {path for path in made if not path.startswith(("photos/", "data/faces32", "runs/faces32/"))}
    assert elsewhere == {"faces.png", "path.png", "smiling_man.png"}
