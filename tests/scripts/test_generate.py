"""generate.py: what it draws, what it writes, what it refuses."""

from pathlib import Path

import generate
from facegan.common import cli, generators, images, latents
from facegan.metrics import face_features

import drawing
import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return drawing.save_generator(tmp_path_factory.mktemp("model") / "generator_model_010.h5")


def pixels_of(path):
    with Image.open(path) as picture:
        return np.asarray(picture)


def test_it_writes_the_grid_and_nothing_else(monkeypatch, tmp_path, model):
    monkeypatch.chdir(tmp_path)
    assert drawing.run(monkeypatch, generate, model, "--faces", "1-6", "--columns", 3, "--out", "grid.png") is None
    assert drawing.files_in(tmp_path) == ["grid.png"]
    assert pixels_of("grid.png").shape[1] == 3 * 100 + 4


def test_every_output_at_once_writes_exactly_the_files_named(monkeypatch, tmp_path, model):
    monkeypatch.chdir(tmp_path)
    outputs = ["--out", "a/grid.png", "--each", "faces", "--save-latents", "latent_points.npz"]
    assert drawing.run(monkeypatch, generate, model, "--faces", "2,7-8", *outputs) is None
    names = [f"faces/face_{k:04d}.png" for k in (2, 7, 8)]
    assert drawing.files_in(tmp_path) == sorted(["a/grid.png", "latent_points.npz", *names])
    assert pixels_of(names[0]).shape == (16, 16, 3)
    saved = latents.read_latents("latent_points.npz")
    np.testing.assert_array_equal(saved, latents.latents_of_faces([2, 7, 8], drawing.LATENT_DIM))


def test_face_12_is_the_same_alone_and_among_1_to_31(monkeypatch, tmp_path, model):
    for chosen, folder in (("12", "alone"), ("1-31", "among"), ("100-300,12", "late")):
        assert drawing.run(monkeypatch, generate, model, "--faces", chosen, "--each", tmp_path / folder) is None
    alone = pixels_of(tmp_path / "alone" / "face_0012.png")
    np.testing.assert_array_equal(alone, pixels_of(tmp_path / "among" / "face_0012.png"))
    np.testing.assert_array_equal(alone, pixels_of(tmp_path / "late" / "face_0012.png"))
    assert (alone != pixels_of(tmp_path / "among" / "face_0013.png")).any()


def test_rows_of_a_file_are_drawn_as_the_faces_that_were_saved(monkeypatch, tmp_path, model):
    points = tmp_path / "latent_points.npz"
    run = [monkeypatch, generate, model]
    assert drawing.run(*run, "--faces", "5,9", "--save-latents", points, "--each", tmp_path / "by_number") is None
    assert drawing.run(*run, "--latents", points, "--each", tmp_path / "by_row") is None
    assert drawing.files_in(tmp_path / "by_row") == ["face_0001.png", "face_0002.png"]
    np.testing.assert_array_equal(
        pixels_of(tmp_path / "by_row" / "face_0002.png"), pixels_of(tmp_path / "by_number" / "face_0009.png")
    )


def test_value_draws_the_constant_latent(monkeypatch, tmp_path, model):
    assert drawing.run(monkeypatch, generate, model, "--value", "0.75", "--each", tmp_path / "value") is None
    assert drawing.files_in(tmp_path / "value") == ["face_value_0.75.png"]
    expected = generators.load_generator(model).draw(np.full((1, drawing.LATENT_DIM), 0.75))
    np.testing.assert_array_equal(pixels_of(tmp_path / "value" / "face_value_0.75.png"), expected[0])


def test_grey_digits_are_shown_dark_on_light_but_saved_as_they_are(monkeypatch, tmp_path):
    model = drawing.save_generator(tmp_path / "digits.h5", (16, 24, 1), output="sigmoid")
    outputs = ["--out", tmp_path / "grid.png", "--each", tmp_path / "each"]
    assert drawing.run(monkeypatch, generate, model, "--faces", "3", *outputs) is None
    native = pixels_of(tmp_path / "each" / "face_0003.png")
    assert native.shape == (16, 24)
    tile = pixels_of(tmp_path / "grid.png")[4 : 4 + 16 * 6, 4 : 4 + 24 * 6, 0]
    shown = tile.reshape(16, 6, 24, 6).mean(axis=(1, 3))
    assert abs(255 - native.astype(float) - shown).max() < 8


def test_the_latent_prior_in_the_generators_notes_is_used(monkeypatch, tmp_path):
    model = drawing.save_generator(tmp_path / "roses.h5", latent_prior="uniform")
    assert drawing.run(monkeypatch, generate, model, "--faces", "4", "--save-latents", tmp_path / "points.npz") is None
    expected = latents.latents_of_faces([4], drawing.LATENT_DIM, "uniform")
    np.testing.assert_array_equal(latents.read_latents(tmp_path / "points.npz"), expected)


def test_a_picture_records_how_to_make_it_again(monkeypatch, tmp_path, model):
    out = str(tmp_path / "a grid.png")
    assert drawing.run(monkeypatch, generate, model, "--faces", "1-3", "--out", out) is None
    with Image.open(out) as picture:
        text = picture.text
    assert text["command"] == f"python generate.py {Path(model).name} --faces 1-3 --out 'a grid.png'"
    assert text["fingerprint"] == generators.load_generator(model).fingerprint
    assert text["faces"] == "1,2,3"
    (tmp_path / "list.txt").write_text("2\n3")
    drawing.run(monkeypatch, generate, model, "--faces", f"1,@{tmp_path}/list.txt", "--out", out)
    with Image.open(out) as picture:
        assert "--faces 1,@list.txt" in picture.text["command"]


def test_the_best_are_those_most_surely_faces_to_the_detector(monkeypatch, tmp_path, model):
    arguments = ["--best", 5, "--of", 40, "--save-latents", tmp_path / "best.npz", "--out", tmp_path / "best.png"]
    assert drawing.run(monkeypatch, generate, model, *arguments) is None
    assert drawing.files_in(tmp_path) == ["best.npz", "best.png"]
    candidates = latents.latents_of_faces(range(1, 41), drawing.LATENT_DIM)
    scores = face_features.face_log_odds(generators.load_generator(model).draw(candidates))
    expected = np.argsort(-scores)[:5]
    np.testing.assert_array_equal(latents.read_latents(tmp_path / "best.npz"), candidates[expected])
    with Image.open(tmp_path / "best.png") as picture:
        assert picture.text["faces"] == ",".join(str(k + 1) for k in expected)


def test_truncation_scales_the_latents(monkeypatch, tmp_path, model):
    arguments = ["--faces", "5", "--truncation", "0.7", "--save-latents", tmp_path / "points.npz"]
    assert drawing.run(monkeypatch, generate, model, *arguments) is None
    expected = 0.7 * latents.latents_of_faces([5], drawing.LATENT_DIM)
    np.testing.assert_allclose(latents.read_latents(tmp_path / "points.npz"), expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--faces", "0", "--out", "a.png"], "--faces: 0 is not a face number; they are 1 to 4294967295"),
        (["--faces", "x", "--out", "a.png"], "--faces: 'x' is not a face number; write numbers and ranges such as"),
        (["--faces", "4-2", "--out", "a.png"], "--faces"),
        (["--faces", "1-3"], "--out"),
        (["--out", "a.jpg"], "--out a.jpg: must end in .png"),
        (["--out", ".png"], "--out .png: must end in .png after a name"),
        (["--faces", "1-3", "--each", ".", "--out", "face_0002.png"], "--out face_0002.png: is the file of --each too"),
        (["--faces", "@none.txt", "--out", "a.png"], "--faces: none.txt: No such file"),
        (["--out", "MODEL/a.png"], "--out"),
        (["--out", "a.png", "--columns", "0"], "--columns"),
        (["--out", "a.png", "--truncation", "0"], "--truncation"),
        (["--out", "a.png", "--truncation", "nan"], "--truncation"),
        (["--out", "a.png", "--latents", "missing.npz"], "--latents"),
        (["--out", "a.png", "--latents", "three.npz", "--faces", "2-4"], "--latents three.npz: has no row 4"),
        (["--out", "a.png", "--latents", "wide.npz"], "--latents"),
        (["--out", "a.png", "--value", "1", "--faces", "2"], "--value"),
        (["--out", "a.png", "--value", "x"], "--value"),
        (["--each", "."], "--each"),
        (["--save-latents", "a.txt"], "--save-latents"),
        (["--out", "a.png", "--faces", "1-90"], "--out: 90 images would make a picture of"),
        (["--out", "a.png", "--best", "30"], "--best"),
        (["--out", "a.png", "--of", "30"], "--of"),
        (["--out", "a.png", "--best", "3", "--of", "30", "--faces", "1-40"], "--of"),
        (["--save-latents", "three.npz", "--latents", "three.npz"], "--save-latents three.npz: is the file of"),
    ],
)
def test_a_wrong_argument_is_one_line_that_names_it(monkeypatch, capsys, tmp_path, model, arguments, named):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(images, "LARGEST_AREA", 500_000)
    np.savez("three.npz", np.zeros((3, drawing.LATENT_DIM)))
    np.savez("wide.npz", np.zeros((3, 99)))
    before = drawing.files_in(tmp_path)
    arguments = [argument.replace("MODEL", model) for argument in arguments]
    assert named in drawing.refusal(monkeypatch, capsys, generate, model, *arguments)
    assert drawing.files_in(tmp_path) == before


@pytest.mark.parametrize("missing", ["missing", "missing.h5", "."])
def test_a_missing_model_is_one_line(monkeypatch, capsys, tmp_path, missing):
    monkeypatch.chdir(tmp_path)
    assert "MODEL" in drawing.refusal(monkeypatch, capsys, generate, missing, "--out", "a.png")


@pytest.mark.parametrize(
    ("arguments", "rooms"),
    [
        (["--best", "3"], ["metrics"]),
        (["--faces", "1,me.jpg"], ["exploring", "preparing", "metrics"]),
    ],
)
def test_an_option_that_needs_other_folders_names_them(monkeypatch, capsys, tmp_path, model, arguments, rooms):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "me.jpg").touch()
    monkeypatch.setattr(cli.importlib.util, "find_spec", lambda name: None)
    line = drawing.refusal(monkeypatch, capsys, generate, model, *arguments, "--out", "a.png")
    assert f": needs {', '.join(f'facegan/{room}' for room in rooms)}; copy" in line
    assert drawing.files_in(tmp_path) == ["me.jpg"]
