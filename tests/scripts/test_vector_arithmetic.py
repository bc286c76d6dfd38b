"""vector_arithmetic.py: what it draws, what it writes, what it refuses."""

import math
from pathlib import Path

import vector_arithmetic
from facegan.common import generators, images, latents
from facegan.exploring import direction_search

import drawing
import numpy as np
import pytest
from PIL import Image

CELL = 100  # a 16x16 image enlarged to 96, and the gap
FORMULA = ["--plus", "smiling_woman=92,98,99", "--minus", "neutral_woman=9,21,79", "--plus", "neutral_man=10,30,45"]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return drawing.save_generator(tmp_path_factory.mktemp("model") / "generator_model_010.h5")


def drawn(monkeypatch, model, out, *arguments):
    assert drawing.run(monkeypatch, vector_arithmetic, model, *arguments, "--out", out) is None
    assert drawing.files_in(out.parent) == [out.name]
    with Image.open(out) as picture:
        return np.asarray(picture)


def last_tile(sheet, column):
    """An image of the bottom row."""
    bottom = len(sheet) - images.LABEL_SIZE - 4 - images.GAP
    left = images.GAP + column * CELL
    return sheet[bottom - 96 : bottom, left : left + 96]


def enlarged(model, latent):
    pixels = generators.load_generator(model).draw(latent[None])[0]
    return np.asarray(images.picture(pixels).resize((96, 96), Image.Resampling.BICUBIC))


def test_the_result_is_the_formula_of_the_averages(monkeypatch, tmp_path, model):
    sheet = drawn(monkeypatch, model, tmp_path / "smiling_man.png", *FORMULA)
    faces = latents.latents_of_faces([92, 98, 99, 9, 21, 79, 10, 30, 45], drawing.LATENT_DIM)
    means = faces.reshape(3, 3, -1).mean(axis=1, dtype=float)
    np.testing.assert_allclose(last_tile(sheet, 3), enlarged(model, means[0] - means[1] + means[2]), atol=1)
    np.testing.assert_allclose(last_tile(sheet, 1), enlarged(model, means[1]), atol=1)


def test_names_are_optional_and_faces_can_be_rows_of_a_file(monkeypatch, tmp_path, model):
    points = tmp_path / "latent_points.npz"
    np.savez(points, latents.latents_of_faces(range(1, 100), drawing.LATENT_DIM))
    unnamed = [text.split("=")[-1] for text in FORMULA]
    by_number = drawn(monkeypatch, model, tmp_path / "a" / "sum.png", *unnamed)
    by_row = drawn(monkeypatch, model, tmp_path / "b" / "sum.png", *unnamed, "--latents", points)
    np.testing.assert_array_equal(by_number, by_row)


@pytest.mark.parametrize("count", [1, 5])
def test_a_formula_has_any_number_of_terms(monkeypatch, tmp_path, model, count):
    terms = [word for k in range(count) for word in ("--plus", f"{k + 1}")]
    sheet = drawn(monkeypatch, model, tmp_path / "sum.png", *terms)
    total = latents.latents_of_faces(range(1, count + 1), drawing.LATENT_DIM).sum(axis=0)
    np.testing.assert_allclose(last_tile(sheet, count), enlarged(model, total), atol=1)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--out", "a.png"], "--plus"),
        (["--out", "a.png", "--minus", "3"], "--plus"),
        (["--out", "a.png", "--plus", "man="], "--plus"),
        (["--out", "a.png", "--plus", "=3"], "--plus"),
        (["--out", "a.png", "--plus", "man=x"], "--plus"),
        (["--out", "a.png", "--plus", "3", "--minus", "0"], "--minus"),
        (["--out", "a.png", "--plus", "3", "--minus", "4", "--latents", "three.npz"], "--latents"),
        (["--plus", "3"], "--out"),
        (["--out", "a.gif", "--plus", "3"], "--out"),
        (["--out", "a.png", "--plus", "@empty.txt"], "--plus: @empty.txt: names no faces"),
        (["--out", "a.png", "--plus", "3", "--minus", "1-90"], "--minus: 91 images would make a picture of"),
        (["--out", "a.png", "--plus", "3", "--apply-to", "1-90"], "--apply-to: 180 images would make a picture of"),
        (["--save-direction", "three.npz", "--plus", "3", "--latents", "three.npz"], "--save-direction three.npz: is"),
    ],
)
def test_a_wrong_argument_is_one_line_that_names_it(monkeypatch, capsys, tmp_path, model, arguments, named):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(images, "LARGEST_AREA", 500_000)
    Path("empty.txt").touch()
    np.savez("three.npz", np.zeros((3, drawing.LATENT_DIM)))
    assert named in drawing.refusal(monkeypatch, capsys, vector_arithmetic, model, *arguments)
    assert drawing.files_in(tmp_path) == ["empty.txt", "three.npz"]


def run(monkeypatch, model, *arguments):
    assert drawing.run(monkeypatch, vector_arithmetic, model, *arguments) is None


def test_weights_multiply_terms(monkeypatch, tmp_path, model):
    sheet = drawn(monkeypatch, model, tmp_path / "sum.png", "--plus", "2*3", "--minus", "half=0.5*4,5")
    faces = latents.latents_of_faces([3, 4, 5], drawing.LATENT_DIM)
    np.testing.assert_allclose(last_tile(sheet, 2), enlarged(model, 2 * faces[0] - (faces[1] + faces[2]) / 4), atol=1)


def test_strength_multiplies_the_change_and_not_the_last_face(monkeypatch, tmp_path, model):
    formula = ["--plus", "1", "--minus", "2", "--plus", "man=3", "--strength", "-2..2", "--steps", 5]
    sheet = drawn(monkeypatch, model, tmp_path / "strip.png", *formula)
    faces = latents.latents_of_faces([1, 2, 3], drawing.LATENT_DIM)
    for column, strength in enumerate((-2, -1, 0, 1, 2)):
        expected = enlarged(model, faces[2] + strength * (faces[0] - faces[1]))
        np.testing.assert_allclose(last_tile(sheet, column), expected, atol=1)


def test_a_formula_that_ends_in_minus_changes_the_average_face(monkeypatch, tmp_path, model):
    formula = ["--plus", "1", "--minus", "2", "--strength=0..1", "--steps", 2]
    sheet = drawn(monkeypatch, model, tmp_path / "strip.png", *formula)
    np.testing.assert_allclose(last_tile(sheet, 0), enlarged(model, np.zeros(drawing.LATENT_DIM)), atol=1)


def test_a_saved_direction_is_used_by_its_name(monkeypatch, tmp_path, model):
    monkeypatch.chdir(tmp_path)
    run(monkeypatch, model, "--plus", "1", "--minus", "2", "--save-direction", "smile.npz")
    assert drawing.files_in(tmp_path) == ["smile.npz"]
    run(monkeypatch, model, "--plus", "2*smile", "--apply-to", "7-8", "--out", "changed.png")
    assert drawing.files_in(tmp_path) == ["changed.png", "smile.npz"]
    for name in ("smile.npz", "./smile"):
        run(monkeypatch, model, "--plus", name, "--plus", "8", "--out", "sum/sum.png")
    faces = latents.latents_of_faces([1, 2, 8], drawing.LATENT_DIM)
    with Image.open("changed.png") as changed, Image.open("sum/sum.png") as total:
        both = np.asarray(changed), np.asarray(total)
    np.testing.assert_allclose(last_tile(both[0], 0), enlarged(model, faces[2]), atol=1)
    np.testing.assert_allclose(last_tile(both[0], 1), enlarged(model, faces[2] + 2 * (faces[0] - faces[1])), atol=1)
    np.testing.assert_allclose(last_tile(both[1], 2), enlarged(model, faces[2] + faces[0] - faces[1]), atol=1)


def test_a_direction_of_another_generator_is_refused(monkeypatch, capsys, tmp_path, model):
    monkeypatch.chdir(tmp_path)
    run(monkeypatch, model, "--plus", "1", "--minus", "2", "--save-direction", "smile.npz")
    other = drawing.save_generator(tmp_path / "other.h5", seed=2)
    line = drawing.refusal(monkeypatch, capsys, vector_arithmetic, other, "--plus", "smile", "--out", "a.png")
    assert "--plus smile" in line


def test_find_direction_prints_what_it_changes_and_saves_it(monkeypatch, capsys, tmp_path, model):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(direction_search, "STUDIED", 300)
    run(monkeypatch, model, "--find-direction", "brightness", "--save-direction", "light.npz", "--out", "light.png")
    assert drawing.files_in(tmp_path) == ["light.npz", "light.png"]
    printed = capsys.readouterr().out.splitlines()
    row = next(line for line in printed if line.split()[0] == "brightness")
    changes = [float(number) for number in row.split()[1:]]
    assert changes == sorted(changes) and changes[2] == 0 and changes[4] > 1


def test_a_direction_is_found_from_labels_in_a_csv(monkeypatch, capsys, tmp_path, model):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(direction_search, "STUDIED", 300)
    generator = generators.load_generator(model)
    pixels = generator.draw(generator.latents_of(range(500, 800)))
    brightness = pixels.mean(axis=(1, 2, 3))
    rows = [f"{k},{value:.4f},{math.nan if k else 1}" for k, value in enumerate(brightness)]
    Path("faces.csv").write_text("\n".join(["row,Light,Lost", *rows]))
    np.savez("faces.npz", pixels)
    labelled = ["--labels", "faces.npz"]
    run(monkeypatch, model, "--find-direction", "Light", *labelled, "--save-direction", "light.npz")
    printed = capsys.readouterr().out.splitlines()
    assert float(printed[0].rsplit(" ", 1)[1]) > 0.3
    changes = [float(number) for number in next(line for line in printed if line.split()[0] == "Light").split()[1:]]
    assert changes[0] < changes[2] < changes[4]
    wrong = ["--find-direction", "Light", *labelled, "--save-direction", "faces.npz"]
    said = drawing.refusal(monkeypatch, capsys, vector_arithmetic, model, *wrong)
    assert "--save-direction faces.npz: is the file of --labels too" in said
    wrong = ["--find-direction", "Lost", *labelled, "--save-direction", "lost.npz"]
    said = drawing.refusal(monkeypatch, capsys, vector_arithmetic, model, *wrong)
    assert "column Lost has values that are NaN or infinite" in said
    assert drawing.files_in(tmp_path) == ["faces.csv", "faces.npz", "light.npz"]


def test_an_unsupervised_direction_is_drawn_used_by_its_name_and_saved_under_another(
    monkeypatch, capsys, tmp_path, model
):
    monkeypatch.chdir(tmp_path)
    run(monkeypatch, model, "--find-direction", "auto", "--apply-to", "7", "--strength", "1", "--out", "all.png")
    assert "auto8" in capsys.readouterr().out
    run(monkeypatch, model, "--plus", "2*auto8", "--save-direction", "hair.npz")
    assert drawing.files_in(tmp_path) == ["all.png", "hair.npz"]
    run(monkeypatch, model, "--plus", "0.5*hair", "--apply-to", "7", "--strength", "1", "--out", "hair.png")
    run(monkeypatch, model, "--plus", "auto8", "--apply-to", "7", "--strength", "1", "--out", "auto.png")
    sheets = []
    for name in ("all.png", "hair.png", "auto.png"):
        with Image.open(name) as picture:
            sheets.append(np.asarray(picture))
    np.testing.assert_array_equal(last_tile(sheets[0], 0), last_tile(sheets[1], 0))
    np.testing.assert_array_equal(last_tile(sheets[0], 0), last_tile(sheets[2], 0))
    assert (last_tile(sheets[0], 0) != enlarged(model, latents.latents_of_faces([7], drawing.LATENT_DIM)[0])).any()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--out", "a.png", "--plus", "auto9"], "--plus auto9: there are only auto1 to auto8"),
        (["--out", "a.png", "--plus", "auto0"], "--plus auto0"),
        (["--save-direction", "a.npz", "--find-direction", "auto"], "--plus auto3 --save-direction"),
        (["--out", "a.png", "--find-direction", "auto", "--labels", "three.npz"], "--find-direction auto"),
        (["--out", "a.png", "--plus", "smile"], "--plus smile"),
        (["--out", "a.png", "--plus", "three.npz"], "--plus three.npz"),
        (["--out", "a.png", "--plus", "3", "--strength", "x"], "--strength"),
        (["--out", "a.png", "--plus", "3", "--strength", "-2..nan"], "--strength"),
        (["--out", "a.png", "--plus", "3", "--apply-to", "0"], "--apply-to"),
        (["--plus", "3"], "--out"),
        (["--plus", "3", "--save-direction", "a.txt"], "--save-direction"),
        (["--out", "a.png", "--find-direction", "wit"], "--find-direction"),
        (["--out", "a.png", "--find-direction", "smile", "--plus", "3"], "--find-direction"),
        (["--out", "a.png", "--find-direction", "Smiling", "--labels", "missing.npz"], "--labels"),
        (["--out", "a.png", "--find-direction", "Smiling", "--labels", "three.npz"], "--labels"),
        (["--out", "a.png", "--plus", "3", "--labels", "three.npz"], "--labels"),
    ],
)
def test_a_wrong_argument_for_directions_is_one_line_that_names_it(
    monkeypatch, capsys, tmp_path, model, arguments, named
):
    monkeypatch.chdir(tmp_path)
    np.savez("three.npz", np.zeros((3, drawing.LATENT_DIM)))
    assert named in drawing.refusal(monkeypatch, capsys, vector_arithmetic, model, *arguments)
    assert drawing.files_in(tmp_path) == ["three.npz"]
