"""Photographs as faces: reconstructed, remembered, refused."""

import importlib.util
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import generate
import interpolate
from facegan.common import generators, latents
from facegan.exploring import inversion, photo_latents
from facegan.preparing import preparer
from facegan.preparing.settings import Settings, write_settings

import drawing
import numpy as np
import pytest
from matplotlib import cbook
from PIL import Image


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return drawing.save_generator(tmp_path_factory.mktemp("model") / "generator_model_010.h5", (32, 32, 3))


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(inversion, "CANDIDATES", 128)
    monkeypatch.setattr(inversion, "STEPS", 60)


def picture_of(generator, number, path):
    """A picture of the generator's own size that shows one of its faces; its pixels (1, height, width, channels)."""
    pixels = generator.draw(generator.latents_of([number]))
    Image.fromarray(pixels[0].squeeze()).save(path)
    return pixels


@pytest.mark.parametrize(
    ("shape", "settings"),
    [((32, 32, 3), {}), ((16, 24, 1), {"output": "sigmoid"}), ((32, 32, 3), {"latent_prior": "uniform"})],
)
def test_an_image_that_the_generator_drew_is_reconstructed_and_the_generator_left_as_it_was(tmp_path, shape, settings):
    generator = generators.load_generator(drawing.save_generator(tmp_path / "generator.h5", shape, **settings))
    pixels = picture_of(generator, 5000, tmp_path / "face.png")
    before = [weights.copy() for weights in generator.model.get_weights()]
    found, errors, random_errors = inversion.invert(generator, pixels)
    for old, new in zip(before, generator.model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert generator.model.trainable_variables
    assert errors[0] < 0.35 * random_errors[0]
    np.testing.assert_allclose(errors, inversion.root_mean_square(generator.draw(found), pixels))
    if generator.latent_prior == "uniform":
        assert abs(found).max() <= 1
    assert np.linalg.norm(found) <= 1.1 * np.sqrt(generator.latent_dim) + 1e-4


def test_a_photograph_is_reconstructed_once_and_shown_with_its_error(monkeypatch, capsys, tmp_path, model):
    monkeypatch.chdir(tmp_path)
    picture_of(generators.load_generator(model), 5000, "me.png")
    arguments = ["--faces", "1,me.png", "--out", "out/grid.png", "--each", "each"]
    assert drawing.run(monkeypatch, generate, model, *arguments) is None
    written = drawing.files_in(tmp_path)
    key = written[4].removeprefix("out/me-").split(".")[0]
    assert written == [
        "each/face_0001.png", "each/face_me.png", "me.png",
        "out/grid.png", f"out/me-{key}.latent.npz", f"out/me-{key}.photo.png",
    ]  # fmt: skip
    assert "me.png: error" in capsys.readouterr().err
    monkeypatch.setattr(inversion, "invert", None)
    assert drawing.run(monkeypatch, interpolate, model, "--faces", "me.png,3", "--out", "out/path.gif") is None
    row = latents.read_latents(f"out/me-{key}.latent.npz")
    np.testing.assert_array_equal(
        photo_latents.latents_of([Path("me.png")], generators.load_generator(model), "out"), row
    )


def test_a_photograph_is_prepared_as_the_data_was(tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    settings = Settings(height=64, width=48, crop="centre")
    with (tmp_path / "data.npz").open("wb") as file:
        np.savez(file, np.zeros((2, 64, 48, 3), np.uint8))
    with zipfile.ZipFile(tmp_path / "data.npz", "a") as archive:
        archive.comment = write_settings(settings)
    (tmp_path / "more.npz").write_bytes((tmp_path / "data.npz").read_bytes())
    (run / "config.json").write_text(f'{{"data": ["{tmp_path / "data.npz"}", "{tmp_path / "more.npz"}"]}}')
    generator = generators.load_generator(drawing.save_generator(run / "generator_best.h5", (16, 24, 1)))
    portrait = Path(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False))
    pixels, is_face = photo_latents.prepared(portrait, generator)
    expected = preparer.prepare_photo(portrait, Settings(16, 24, grey=True, crop="centre"))
    assert not is_face
    np.testing.assert_array_equal(pixels, expected)


def test_an_unreadable_photograph_is_one_line(monkeypatch, capsys, tmp_path, model):
    monkeypatch.chdir(tmp_path)
    Path("bad.jpg").write_text("no photo")
    assert "bad.jpg" in drawing.refusal(monkeypatch, capsys, generate, model, "--faces", "bad.jpg", "--out", "a.png")
    assert "missing.jpg" in drawing.refusal(
        monkeypatch, capsys, generate, model, "--faces", "1,missing.jpg", "--out", "a.png"
    )
    assert drawing.files_in(tmp_path) == ["bad.jpg"]


def test_without_tensorflow_a_photograph_is_one_line_that_says_what_to_install(monkeypatch, capsys, bundled):
    Image.new("RGB", (64, 64)).save("me.jpg")
    find_spec = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "tensorflow" else find_spec(name))
    said = drawing.refusal(monkeypatch, capsys, generate, "--faces", "me.jpg", "--out", "a.png")
    assert "pip install tensorflow" in said and "another photo" not in said


@pytest.mark.slow
def test_inversion_runs_under_jax_too(tmp_path):
    pytest.importorskip("jax")
    path = drawing.save_generator(tmp_path / "generator.h5", (16, 16, 3))
    program = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parents[2])!r})\n"
        "from facegan.common import generators\n"
        "from facegan.exploring import inversion\n"
        "inversion.CANDIDATES, inversion.STEPS = 128, 60\n"
        f"generator = generators.load_generator({path!r})\n"
        "pixels = generator.draw(generator.latents_of([5000]))\n"
        "_, errors, random_errors = inversion.invert(generator, pixels)\n"
        "assert errors[0] < 0.35 * random_errors[0], (errors, random_errors)\n"
    )
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)
