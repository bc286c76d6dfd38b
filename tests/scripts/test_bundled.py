"""The bundled generator: it is used if MODEL is left out, and its file says how its data was prepared."""

from pathlib import Path

import explore
import generate
import interpolate
import vector_arithmetic
from facegan.common import datasets, generators
from facegan.exploring import directions, photo_latents
from facegan.preparing import preparer, row_writer
from facegan.preparing.settings import Settings, write_settings

import drawing
import numpy as np
import pytest
from matplotlib import cbook
from PIL import Image

every_script = pytest.mark.parametrize(
    ("script", "arguments"),
    [
        (generate, ["--faces", "1-3", "--out", "out.png"]),
        (interpolate, ["--faces", "1,2", "--out", "out.png"]),
        (vector_arithmetic, ["--plus", "1,2", "--minus", "3", "--out", "out.png"]),
    ],
    ids=["generate", "interpolate", "vector_arithmetic"],
)


def record_of(path):
    with Image.open(path) as picture:
        return picture.text


@every_script
def test_model_left_out_is_the_bundled_generator(monkeypatch, bundled, script, arguments):
    assert drawing.run(monkeypatch, script, *arguments) is None
    assert record_of("out.png")["fingerprint"] == generators.load_generator(bundled).fingerprint
    assert record_of("out.png")["model"] == "portraits.h5"


@every_script
def test_a_model_named_after_the_options_is_used(monkeypatch, bundled, tmp_path, script, arguments):
    other = drawing.save_generator(tmp_path / "other.h5", seed=2)
    assert drawing.run(monkeypatch, script, *arguments, other) is None
    assert record_of("out.png")["model"] == "other.h5"


@every_script
def test_without_the_bundled_generator_one_line_says_what_to_do(monkeypatch, capsys, bundled, script, arguments):
    bundled.unlink()
    line = drawing.refusal(monkeypatch, capsys, script, *arguments)
    assert "copy the folder pretrained" in line and "name a run folder or a generator file" in line
    assert drawing.files_in(".") == []


def test_the_bundled_generator_is_beside_the_package():
    assert Path(generators.__file__).parents[2] / "pretrained" / "portraits.h5" == generators.BUNDLED


def test_the_commands_on_a_page_leave_out_a_model_that_was_left_out(monkeypatch, bundled):
    assert drawing.run(monkeypatch, explore, "--no-detector", "--map", "4", "--out", "explore.html") is None
    text = Path("explore.html").read_text(encoding="utf-8")
    assert '"model": ""' in text and "the bundled generator</title>" in text


def test_directions_beside_a_generator_file_are_found_by_name(monkeypatch, bundled):
    generator = generators.load_generator(None)
    step = np.ones(drawing.LATENT_DIM, np.float32)
    directions.save(directions.Direction(step, generator.fingerprint), bundled.parent / "smile.npz")
    arguments = ["--plus", "smile", "--apply-to", "1-2", "--out", "smiles.png"]
    assert drawing.run(monkeypatch, vector_arithmetic, *arguments) is None


def test_a_generator_file_says_how_its_data_was_prepared(tmp_path):
    """Without its run folder and its data, so that photographs are cropped alike wherever the file is copied."""
    settings = Settings(height=64, width=48, crop="centre")
    path = tmp_path / "portraits.h5"
    model = generators.load_generator(drawing.save_generator(path, (24, 16, 3))).model
    with row_writer.RowWriter(tmp_path / "data.npz", (64, 48, 3)) as writer:
        writer.write(np.zeros((2, 64, 48, 3), np.uint8))
        writer.finish(write_settings(settings))
    generators.save_model(model, path, {"prepared": datasets.preparation_record(tmp_path / "data.npz")})
    portrait = Path(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False))
    pixels, is_face = photo_latents.prepared(portrait, generators.load_generator(path))
    assert not is_face
    expected = preparer.prepare_photo(portrait, Settings(24, 16, crop="centre"))
    np.testing.assert_array_equal(pixels, expected)


@pytest.mark.parametrize("comment", [b"", b"no json", b"[1]"])
def test_other_data_sets_have_no_record_of_their_preparation(tmp_path, comment):
    with row_writer.RowWriter(tmp_path / "data.npz", (4, 4, 3)) as writer:
        writer.write(np.zeros((2, 4, 4, 3), np.uint8))
        writer.finish(comment)
    assert datasets.preparation_record(tmp_path / "data.npz") == {}
    assert datasets.preparation_record("mnist") == {}
