"""The generator that comes with the scripts: what MODEL means where it is left out, and what its file tells."""

from pathlib import Path

import drawing
import numpy
import pytest
from matplotlib import cbook
from PIL import Image

import generate
import interpolate
import vector_arithmetic
from facegan import directions, npz, photographs, preparation, runs

WAYS = {
    generate: ["--faces", "1-3", "--out", "out.png"],
    interpolate: ["--faces", "1,2", "--out", "out.png"],
    vector_arithmetic: ["--plus", "1,2", "--minus", "3", "--out", "out.png"],
}
every_script = pytest.mark.parametrize("script", WAYS, ids=lambda script: script.__name__)


def record_of(path):
    with Image.open(path) as picture:
        return picture.text


@every_script
def test_model_left_out_is_the_shipped_generator(monkeypatch, shipped, script):
    assert drawing.run(monkeypatch, script, *WAYS[script]) is None
    assert record_of("out.png")["fingerprint"] == runs.load_generator(shipped).fingerprint
    assert record_of("out.png")["model"] == "portraits.h5"


@every_script
def test_a_model_named_behind_the_options_is_taken(monkeypatch, shipped, script, tmp_path):
    other = drawing.save_generator(tmp_path / "other.h5", seed=2)
    assert drawing.run(monkeypatch, script, *WAYS[script], other) is None
    assert record_of("out.png")["model"] == "other.h5"


@every_script
def test_without_the_shipped_generator_one_line_names_the_remedy(monkeypatch, capsys, shipped, script):
    shipped.unlink()
    line = drawing.refusal(monkeypatch, capsys, script, *WAYS[script])
    assert "copy the folder pretrained" in line and "name a run folder or a generator file" in line
    assert drawing.files_in(".") == []


def test_the_shipped_generator_lies_beside_the_package():
    assert Path(runs.__file__).parent.parent / "pretrained" / "portraits.h5" == runs.SHIPPED


def test_the_commands_on_a_page_leave_out_a_model_that_was_left_out(monkeypatch, shipped):
    assert drawing.run(monkeypatch, generate, "--faces", "1-3", "--html", "faces.html", "--map", "map.html") is None
    for page in ("faces.html", "map.html"):
        text = Path(page).read_text(encoding="utf-8")
        assert '"model": ""' in text and "the shipped generator</title>" in text


def test_directions_beside_a_generator_file_are_found_by_name(monkeypatch, shipped):
    generator = runs.load_generator(None)
    step = numpy.ones(drawing.LATENT_DIM, numpy.float32)
    directions.save(directions.Direction(step, generator.fingerprint), shipped.parent / "smile.npz")
    arguments = ["--plus", "smile", "--apply-to", "1-2", "--out", "smiles.png"]
    assert drawing.run(monkeypatch, vector_arithmetic, *arguments) is None


def test_a_generator_file_tells_how_its_data_was_prepared(tmp_path):
    """Without its run folder and its data, so that photographs are cut alike wherever the file is copied."""
    settings = preparation.Settings(height=64, width=48, crop="centre")
    path = tmp_path / "portraits.h5"
    model = runs.load_generator(drawing.save_generator(path, (24, 16, 3))).model
    with npz.RowWriter(tmp_path / "data.npz", (64, 48, 3)) as writer:
        writer.write(numpy.zeros((2, 64, 48, 3), numpy.uint8))
        writer.finish(preparation.write_settings(settings))
    runs.save_model(model, path, {"prepared": npz.how_prepared(tmp_path / "data.npz")})
    portrait = Path(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False))
    pixels, is_face = photographs.prepared(portrait, runs.load_generator(path))
    assert not is_face
    expected = preparation.prepare_photo(portrait, preparation.Settings(24, 16, crop="centre"))
    numpy.testing.assert_array_equal(pixels, expected)


@pytest.mark.parametrize("comment", [b"", b"no json", b"[1]"])
def test_data_of_other_origins_tells_nothing_of_its_making(tmp_path, comment):
    with npz.RowWriter(tmp_path / "data.npz", (4, 4, 3)) as writer:
        writer.write(numpy.zeros((2, 4, 4, 3), numpy.uint8))
        writer.finish(comment)
    assert npz.how_prepared(tmp_path / "data.npz") == {}
    assert npz.how_prepared("mnist") == {}
