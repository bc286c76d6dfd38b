"""facegan.ipynb runs from top to bottom, calls scripts, and is kept without outputs."""

import json
import os
import shutil
import sys
from pathlib import Path

import matplotlib.cbook
import nbclient
import nbformat
import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "facegan.ipynb"
PARAMETERS = """\
REPOSITORY = "none is cloned"
PHOTOS = "photos"
PREPARE_OPTIONS = "--size 32"
PRESET = "faces32"
TRAIN_OPTIONS = "--steps 4 --batch-size 4 --no-quality --precision float32"
EXPLORE_OPTIONS = "--map 0 --no-detector"
"""


def test_the_notebook_is_kept_without_outputs():
    for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]:
        assert not cell.get("outputs") and cell.get("execution_count") is None


@pytest.mark.slow
def test_the_notebook_runs_from_photographs_to_a_page_and_shows_pictures(tmp_path, monkeypatch):
    copy = tmp_path / "facegan"
    copy.mkdir()
    for path in (*ROOT.glob("*.py"), ROOT / "requirements.txt"):
        shutil.copy(path, copy)
    for folder in ("facegan", "pretrained"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    save_photographs(copy / "photos")
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    notebook.cells = [cell for cell in notebook.cells if "colab" not in cell.metadata.get("tags", ())]
    (parameters,) = (cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", ()))
    named = {line.split(" = ")[0] for line in parameters.source.splitlines() if " = " in line}
    assert named == {line.split(" = ")[0] for line in PARAMETERS.splitlines()}
    parameters.source = PARAMETERS
    nbclient.NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()

    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    printed = "".join(output.get("text", "") for output in outputs)
    assert "error" not in printed, printed
    assert "device: " in printed and "done: 4 steps" in printed
    pictures = [output for output in outputs if "image/png" in output.get("data", ())]
    assert len(pictures) == 2  # the prepared faces, and the newest drawn while training
    assert any("<iframe" in output.get("data", {}).get("text/html", "") for output in outputs)
    for made in ("data/faces.npz", "runs/faces/generator_model_004.h5", "explore.html", "walk.gif"):
        assert (copy / made).stat().st_size


def save_photographs(folder):
    folder.mkdir()
    with Image.open(matplotlib.cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)) as photograph:
        for number in range(5):
            photograph.convert("RGB").resize((240 + 9 * number, 300)).save(folder / f"{number}.png")
