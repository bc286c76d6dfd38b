"""export.py: files that other tools run to the same pixels, and that say what goes in and comes out."""

import importlib.util
import json
import re
from pathlib import Path

import export
from facegan.common import generators

import drawing
import numpy as np
import pytest
from PIL import Image

PAGE = Path(__file__).parents[2] / "docs" / "exporting.md"
SNIPPETS = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


@pytest.fixture(autouse=True)
def backend(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")  # export.py sets it; this puts it back


def exported(monkeypatch, out, *arguments):
    assert drawing.run(monkeypatch, export, *arguments, "--out", out) is None
    assert out.name in drawing.files_in(out.parent)
    return out


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A generator unlike the bundled one: grey, from 0 to 1, of uniform latents, with notes of its training."""
    path = tmp_path_factory.mktemp("model") / "generator.h5"
    drawing.save_generator(path, image_shape=(16, 16, 1), latent_prior="uniform", output="sigmoid")
    notes = {"latent_prior": "uniform", "prepared": {"align": True}}
    generators.save_model(generators.load_generator(path).model, path, notes)
    return path


@pytest.mark.parametrize("snippet", SNIPPETS, ids=[re.search(r"generator\.\w+", text)[0] for text in SNIPPETS])
@pytest.mark.skipif(not generators.BUNDLED.is_file(), reason="there is no bundled generator")
def test_what_the_docs_print_draws_face_12_from_the_exported_file(monkeypatch, tmp_path, snippet):
    file = re.search(r"generator(\.\w+)", snippet)
    for package in (*export.PACKAGES[file[1]], *re.findall(r"onnxruntime|ai_edge_litert|safetensors", snippet)):
        pytest.importorskip(package)
    monkeypatch.chdir(tmp_path)
    exported(monkeypatch, tmp_path / file[0])
    exec(snippet, {})
    generator = generators.load_generator(None)
    with Image.open("face_12.png") as drawn:
        difference = np.asarray(drawn).astype(int) - generator.draw(generator.latents_of([12]))[0]
    assert np.abs(difference).max() <= 1


def test_onnx_takes_any_number_of_latents_and_says_what_goes_in_and_comes_out(monkeypatch, tmp_path, model):
    pytest.importorskip("tf2onnx")
    session = pytest.importorskip("onnxruntime").InferenceSession(
        exported(monkeypatch, tmp_path / "g.onnx", model).read_bytes()
    )
    generator = generators.load_generator(model)
    for faces in (range(1, 4), range(1, 71)):
        points = generator.latents_of(faces)
        (images,) = session.run(["images"], {"latents": points})
        np.testing.assert_allclose(255 * images, generator.draw(points), atol=1)
    about = session.get_modelmeta().custom_metadata_map
    assert about["latents"] == "float32 (n, 8), uniform from -1 to 1"
    assert about["images"] == "float32 (n, 16, 16, 1) from 0 to 1; pixels are 255 * images"
    assert about["fingerprint"] == generator.fingerprint
    assert json.loads(about["prepared"]) == {"align": True}
    points = eval(about["face_12"], {"numpy": np})
    np.testing.assert_allclose(points, generator.latents_of([12])[0], atol=1e-6)


def test_tflite_says_what_goes_in_and_comes_out(monkeypatch, tmp_path, model):
    from tensorflow.lite.tools import flatbuffer_utils

    graph = flatbuffer_utils.read_model(str(exported(monkeypatch, tmp_path / "g.TFLITE", model)))
    assert json.loads(graph.description)["latents"] == "float32 (n, 8), uniform from -1 to 1"


def test_keras_files_are_the_same_generator_here_and_in_plain_keras(monkeypatch, tmp_path, model):
    import keras

    copy = exported(monkeypatch, tmp_path / "g.keras", model)
    generator, again = generators.load_generator(model), generators.load_generator(copy)
    assert again.latent_prior == "uniform" and again.pixel_range == "sigmoid"
    assert generators.read_notes(copy)["prepared"] == {"align": True}
    points = generator.latents_of([1, 2, 3])
    np.testing.assert_array_equal(again.draw(points), generator.draw(points))
    plain = keras.saving.load_model(copy, compile=False).predict_on_batch(points)
    np.testing.assert_allclose(255 * plain, generator.draw(points), atol=1)


@pytest.mark.parametrize(("suffix", "packages"), [(".onnx", "tf2onnx onnx"), (".safetensors", "safetensors")])
def test_a_missing_package_is_one_line_that_says_how_to_install_it(monkeypatch, capsys, tmp_path, suffix, packages):
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in packages else real(name))
    monkeypatch.setattr(generators, "load_generator", None)  # before the generator is loaded
    line = drawing.refusal(monkeypatch, capsys, export, "--out", tmp_path / f"g{suffix}")
    assert f"--out {tmp_path}/g{suffix}" in line and line.endswith(f"pip install {packages}\n")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--out", "g.pt"], "--out g.pt: must end in .onnx"),
        ([], "--out"),
        (["missing.h5", "--out", "g.keras"], "MODEL missing.h5"),
        (["notes.txt", "--out", "g.keras"], "MODEL notes.txt"),
        (["notes.keras", "--out", "./notes.keras"], "--out notes.keras: is the file of MODEL too"),
    ],
)
def test_a_wrong_argument_is_one_line_that_names_it(monkeypatch, capsys, tmp_path, bundled, arguments, named):
    for name in ("notes.keras", "notes.txt"):
        Path(name).write_text("not a generator")
    assert named in drawing.refusal(monkeypatch, capsys, export, *arguments)
    assert drawing.files_in(".") == ["notes.keras", "notes.txt"]
