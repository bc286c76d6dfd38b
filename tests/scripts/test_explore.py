"""explore.py: the page it writes, and what it refuses. What the page does is in tests/exploring/test_web_pages.py."""

import base64
import json
import re
from pathlib import Path

import explore
import vector_arithmetic
from facegan.common import cli, generators
from facegan.exploring import direction_search, directions
from facegan.metrics import quality

import drawing
import numpy as np
import pytest


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return drawing.save_generator(tmp_path_factory.mktemp("model") / "generator_model_010.h5")


@pytest.fixture
def here(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def data_of(path):
    """The data of a page, as its script reads it."""
    text = Path(path).read_text(encoding="utf-8")
    return json.loads(re.search(r'<script type="application/json" id="page-data">(.*?)</script>', text)[1])


def page(monkeypatch, model, *arguments):
    """Write a page without what needs the detector; its data."""
    arguments = [model, "--no-detector", "--map", 9, *arguments, "--out", "explore.html"]
    assert drawing.run(monkeypatch, explore, *arguments) is None
    return data_of("explore.html")


def test_it_writes_the_page_and_nothing_else(monkeypatch, here, model):
    data = page(monkeypatch, model, "--truncation", 0.8)
    assert drawing.files_in(here) == ["explore.html"]
    assert data["faces"] is None and data["truncation"] == 0.8 and data["given"]["faces"] == []
    assert sorted(data["map"]["faces"]) == sorted(map(str, range(1, 10)))
    assert [slider["name"] for slider in data["directions"]] == [f"auto{k}" for k in range(1, 9)]
    assert data["record"]["command"].startswith(f"python explore.py {Path(model).name} --no-detector")


def test_without_a_map_there_is_none(monkeypatch, here, model):
    assert page(monkeypatch, model, "--map", 0)["map"] is None


def test_faces_that_are_named_are_those_on_the_wall_and_the_map(monkeypatch, here, model):
    data = page(monkeypatch, model, "--faces", "5,9-11,9")
    assert data["faces"] == ["5", "9", "10", "11"]
    assert sorted(data["map"]["faces"]) == ["10", "11", "5", "9"]


def test_rows_of_a_file_come_with_their_latents(monkeypatch, here, model):
    np.savez("my points.npz", np.zeros((3, drawing.LATENT_DIM), np.float32))
    data = page(monkeypatch, model, "--latents", "my points.npz")
    assert data["faces"] == data["given"]["faces"] == ["1", "2", "3"] and data["fromFile"]
    assert data["options"] == "--latents 'my points.npz'"


def test_a_saved_direction_has_a_slider(monkeypatch, here, model):
    generator = generators.load_generator(model)
    step = np.ones(drawing.LATENT_DIM, np.float32)
    directions.save(directions.Direction(step, generator.fingerprint), "glasses.npz")
    first = page(monkeypatch, model, "--direction", "glasses")["directions"][0]
    assert (first["name"], first["kind"], first["term"], first["saved_by"]) == ("glasses", "named", "glasses", "")


def test_the_term_of_a_direction_beside_the_page_works_from_the_current_folder(monkeypatch, here, model):
    generator = generators.load_generator(model)
    Path("pages").mkdir()
    directions.save(directions.Direction(np.ones(drawing.LATENT_DIM, np.float32), generator.fingerprint), "pages/g.npz")
    arguments = ["--direction", "g", "--no-detector", "--map", 0, "--out", "pages/explore.html"]
    assert drawing.run(monkeypatch, explore, model, *arguments) is None
    slider = data_of("pages/explore.html")["directions"][0]
    assert (slider["name"], slider["term"]) == ("g", "pages/g.npz")
    copied = ["--plus", "2", "--plus", f"0.5*{slider['term']}", "--out", "face_2.png"]
    assert drawing.run(monkeypatch, vector_arithmetic, model, *copied) is None


def test_directions_found_on_faces_are_those_that_vector_arithmetic_finds(monkeypatch, here, model):
    monkeypatch.setattr(direction_search, "STUDIED", 200)
    monkeypatch.setattr(direction_search, "LEAST_EXPLAINED", 0.0)
    monkeypatch.setattr(quality, "are_faces", lambda pixels: True)
    assert drawing.run(monkeypatch, explore, model, "--map", 9, "--out", "explore.html") is None
    sliders = {slider["name"]: slider for slider in data_of("explore.html")["directions"]}
    assert [name for name in sliders if not name.startswith("auto")] == list(directions.ATTRIBUTES)
    assert sliders["turn"]["saved_by"] == "--find-direction turn --save-direction turn.npz"
    found = direction_search.search(generators.load_generator(model), "brightness").step
    step = np.frombuffer(base64.b64decode(sliders["brightness"]["step"]), "<f4")
    np.testing.assert_allclose(step, found, rtol=1e-5)


def test_images_that_are_not_faces_have_no_sliders_for_a_smile(monkeypatch, here, model):
    monkeypatch.setattr(direction_search, "STUDIED", 40)
    monkeypatch.setattr(quality, "are_faces", lambda pixels: False)
    assert drawing.run(monkeypatch, explore, model, "--map", 9, "--out", "explore.html") is None
    assert all(slider["kind"] == "unsupervised" for slider in data_of("explore.html")["directions"])


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--out", "a.htm"], "--out a.htm: must end in .html"),
        (["--out", "a.html", "--map", "-1"], "--map"),
        (["--out", "a.html", "--like", "taste"], "--like"),
        (["--out", "a.html", "--no-detector", "--like", "face"], "--like face"),
        (["--out", "a.html", "--direction", "smile"], "--direction smile: is neither"),
        (["--out", "a.html", "--direction", "3"], "--direction 3: is a face"),
        (["--out", "a.html", "--direction", "0.5*smile"], "--direction smile: has a weight"),
        (["--out", "a.html", "--latents", "three.npz", "--faces", "4"], "--latents three.npz: has no row 4"),
        (["--out", "a.html", "--latents", "many.npz"], "--latents: has 20,001 rows"),
        (["--out", "a.html", "--truncation", "0"], "--truncation"),
    ],
)
def test_a_wrong_argument_is_one_line_that_names_it(monkeypatch, capsys, here, model, arguments, named):
    np.savez("three.npz", np.zeros((3, drawing.LATENT_DIM)))
    np.savez("many.npz", np.zeros((20_001, drawing.LATENT_DIM)))
    assert named in drawing.refusal(monkeypatch, capsys, explore, model, *arguments)
    assert drawing.files_in(here) == ["many.npz", "three.npz"]


def test_without_the_detector_one_line_says_what_to_do(monkeypatch, capsys, here, model):
    find_spec = cli.importlib.util.find_spec
    monkeypatch.setattr(cli.importlib.util, "find_spec", lambda name: None if name == "mtcnn" else find_spec(name))
    needed = "without --no-detector: needs a package that is not installed: pip install mtcnn"
    assert needed in drawing.refusal(monkeypatch, capsys, explore, model, "--out", "a.html")
    monkeypatch.setattr(cli.importlib.util, "find_spec", lambda name: None)
    assert "facegan/metrics" in drawing.refusal(monkeypatch, capsys, explore, model, "--out", "a.html")
