"""What holds for every script on a hostile machine: a full disk, damaged and absurd input, strange names."""

import contextlib
import json
import os
import resource
import shutil
import zipfile

import demo
import evaluate
import explore
import generate
import interpolate
import make_portraits
import prepare_faces
import train_gan
import vector_arithmetic
from facegan.common import cli
from facegan.exploring import photo_latents

import drawing
import h5py
import matplotlib.cbook
import numpy as np
import pytest
import tiny
from drawing import refusal
from PIL import Image
from short_runs import FAST


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """A folder with a tiny generator, a data set, and a folder with a photograph."""
    folder = tmp_path_factory.mktemp("inputs")
    drawing.save_generator(folder / "g.h5")
    tiny.save_blobs(folder / "faces.npz")
    (folder / "photos").mkdir()
    shutil.copy(matplotlib.cbook.get_sample_data("grace_hopper.jpg", asfileobj=False), folder / "photos" / "me.jpg")
    return folder


@pytest.fixture
def here(inputs, tmp_path, monkeypatch):
    """The current folder: a copy of the inputs."""
    shutil.copytree(inputs, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


@contextlib.contextmanager
def disk_for(size):
    """No file can grow beyond this many bytes, as on a disk without room for more."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


WRITING = {
    "picture": (generate, "g.h5 --faces 1-9 --out a.png"),
    "each": (generate, "g.h5 --faces 1-9 --each each"),
    "latents": (generate, "g.h5 --faces 1-99 --save-latents a.npz"),
    "strip": (interpolate, "g.h5 --faces 1,2 --out a.png"),
    "gif": (interpolate, "g.h5 --faces 1,2 --out a.gif"),
    "sum": (vector_arithmetic, "g.h5 --plus 1,2 --out a.png"),
    "direction": (vector_arithmetic, "g.h5 --plus 1,2 --save-direction a.npz"),
    "portraits": (make_portraits, "g.h5 --count 1 --out portraits"),
    "report": (evaluate, "g.h5 --data faces.npz --count 40 --out report"),
    "preparing": (prepare_faces, "photos --crop centre --size 64 --out a.npz"),
}


@pytest.mark.parametrize("use", WRITING)
def test_a_full_disk_is_one_line_and_leaves_no_file(monkeypatch, capsys, here, use):
    script, words = WRITING[use]
    before = drawing.files_in(here)
    with disk_for(300):
        assert drawing.run(monkeypatch, script, *words.split()) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith(f"{script.__name__}.py: error: ") and "the disk is full; " in line
    assert "make room and run the same command again" in line
    left = set(drawing.files_in(here)) - set(before)
    assert not [name for name in left if ".partial/" not in name]


@pytest.mark.parametrize("size", [300, 2_000, 12_000, 20_000, 60_000])
def test_a_disk_that_fills_up_during_training_is_one_line_and_the_run_resumes(monkeypatch, capsys, here, size):
    # HDF5 crashes the process on a full disk, and tensorboardX's thread would leave it waiting forever.
    command = ["faces.npz", "--preset", "tiny", *FAST, "--out", "run"]
    with disk_for(size):
        assert tiny.train(monkeypatch, *command) == 2
    error = capsys.readouterr().err
    assert error.startswith("train_gan.py: error: run") and error.count("\n") == 1
    assert "the disk is full; make room and run the same command again" in error
    assert tiny.train(monkeypatch, *command) == 0
    assert not [path for path in (here / "run").iterdir() if path.name.startswith(".")]


LONG = "a" * 300


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (generate, f"g.h5 --out {LONG}.png"),
        (generate, f"{LONG}.h5 --out a.png"),
        (generate, f"g.h5 --faces {LONG}.jpg --out a.png"),
        (generate, f"g.h5 --latents {LONG}.npz --out a.png"),
        (interpolate, f"g.h5 --faces 1,2 --out {LONG}/a.png"),
        (vector_arithmetic, f"g.h5 --plus {LONG} --out a.png"),
        (make_portraits, f"g.h5 --out {LONG}"),
        (evaluate, f"{LONG} --data faces.npz"),
        (evaluate, f"g.h5 --data {LONG}.npz"),
        (prepare_faces, f"{LONG} --out a.npz"),
        (prepare_faces, f"photos --out {LONG}.npz"),
    ],
)
def test_a_name_longer_than_the_system_allows_is_one_line(monkeypatch, capsys, here, script, words):
    before = drawing.files_in(here)
    assert "File name too long" in refusal(monkeypatch, capsys, script, *words.split())
    assert drawing.files_in(here) == before


def test_the_longest_name_that_the_system_allows_can_be_written(monkeypatch, here):
    name = "a" * 251 + ".png"
    assert not drawing.run(monkeypatch, generate, "g.h5", "--out", name)
    assert (here / name).is_file()


def test_an_error_about_a_name_with_a_line_break_is_one_line(monkeypatch, capsys, here):
    assert r"a\nb.h5" in refusal(monkeypatch, capsys, generate, "a\nb.h5", "--out", "a.png")


def spoil(path, value):
    """Replace a number in the last weights of a model file."""
    with h5py.File(path, "r+") as file:
        found = []
        file["model_weights"].visititems(lambda name, item: found.append(item) if hasattr(item, "shape") else None)
        weights = found[-1][()]
        weights.flat[0] = value
        found[-1][...] = weights


@pytest.mark.parametrize(
    ("script", "words", "written"),
    [
        (explore, "--no-detector --map 4 --out a.html", "a.html"),
        (evaluate, "--data faces.npz --count 40 --out report", "report/quality.csv"),
    ],
)
def test_a_generator_whose_name_is_no_text_can_be_written_about(monkeypatch, here, script, words, written):
    (here / "g.h5").rename(here / "g\udcff.h5")
    assert not drawing.run(monkeypatch, script, "g\udcff.h5", *words.split())
    assert "g\\xff.h5" in (here / written).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (generate, "g.h5 --latents {} --out a.png"),
        (evaluate, "g.h5 --data {}"),
        (vector_arithmetic, "g.h5 --plus {} --out a.png"),
        (prepare_faces, "--merge {} --out a.npz"),
    ],
)
@pytest.mark.parametrize("name", ["pipe.npz", "/dev/zero"])
def test_an_array_that_never_ends_is_not_read(monkeypatch, capsys, here, script, words, name):
    os.mkfifo(here / "pipe.npz")
    refusal(monkeypatch, capsys, script, *words.format(name).split())


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_network_of_nan_is_refused_by_whatever_draws_with_it(monkeypatch, capsys, here, value):
    spoil(here / "g.h5", value)
    for script, words in ((generate, "--out a.png"), (evaluate, "--data faces.npz --count 40"),
                          (interpolate, "--faces 1,2 --out a.png")):  # fmt: skip
        assert drawing.run(monkeypatch, script, "g.h5", *words.split()) == 2
        assert "has weights that are NaN or infinite" in capsys.readouterr().err


def test_a_network_of_nan_is_never_ranked(monkeypatch, capsys, here):
    (here / "run").mkdir()
    for name in ("001", "002"):
        shutil.copy("g.h5", f"run/generator_model_{name}.h5")
    spoil("run/generator_model_002.h5", float("nan"))
    assert not drawing.run(monkeypatch, evaluate, "run", "--data", "faces.npz", "--count", "40")
    printed = capsys.readouterr()
    assert "left out: MODEL run/generator_model_002.h5: has weights that are NaN" in printed.err
    assert "002" not in printed.out


@pytest.fixture
def found_at_once(monkeypatch):
    """Photographs whose latents are found without a search."""
    found = lambda paths, generator, folder: np.ones((len(paths), generator.latent_dim), np.float32)  # noqa: E731
    monkeypatch.setattr(photo_latents, "latents_of", found)


def test_photographs_of_one_name_get_files_of_their_own(monkeypatch, here, found_at_once):
    for folder in ("a", "b"):
        (here / folder).mkdir()
        Image.new("RGB", (16, 16), "red" if folder == "a" else "blue").save(here / folder / "0001.png")
    words = ["g.h5", "--faces", "1,a/0001.png,b/0001.png,1", "--each", "each"]
    assert not drawing.run(monkeypatch, generate, *words)
    assert drawing.files_in("each") == ["face_0001.png", "face_0001_2.png", "face_0001_3.png"]


def test_a_list_file_may_name_photographs_with_commas_and_line_breaks_do_not_stop_a_label(
    monkeypatch, here, found_at_once
):
    for name in ("me, at home.png", "two\nlines.png", "no text \udcff.png"):
        Image.new("RGB", (16, 16), "red").save(here / name)
    (here / "list.txt").write_text("1\nme, at home.png\n3-4\n")
    assert not drawing.run(monkeypatch, generate, "g.h5", "--faces", "@list.txt,9", "--out", "a.png")
    with Image.open("a.png") as picture:
        assert picture.text["faces"] == "1,me, at home.png,3,4,9"
    words = ["g.h5", "--faces", "two\nlines.png,no text \udcff.png", "--out", "b.png"]
    assert not drawing.run(monkeypatch, interpolate, *words)
    assert not drawing.run(monkeypatch, vector_arithmetic, "g.h5", "--plus", "me=@list.txt", "--out", "c.png")


def test_pictures_say_how_they_were_made_without_folders_and_nothing_at_all_on_request(
    monkeypatch, here, found_at_once
):
    (here / "Jane Doe").mkdir()
    Image.new("RGB", (16, 16), "red").save(here / "Jane Doe" / "me.png")
    words = ["g.h5", f"--plus=x=0.5*{here}/Jane Doe/me.png,2", "--out", f"{here}/Jane Doe/a.png"]
    for more in ([], ["--no-metadata"]):
        assert not drawing.run(monkeypatch, vector_arithmetic, *words, *more)
        with Image.open("Jane Doe/a.png") as picture:
            if more:
                assert picture.text == {}
            else:
                assert "Jane" not in str(picture.text) and str(here) not in str(picture.text)
                assert picture.text["command"] == (
                    "python vector_arithmetic.py g.h5 '--plus=x=0.5*me.png,2' --out a.png"
                )


def change_config(path, kind, **values):
    """Change the settings of the first layer of a class in a model file."""
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        layer = next(layer for layer in config["config"]["layers"] if layer["class_name"] == kind)
        layer["config"] |= values
        file.attrs["model_config"] = json.dumps(config)


def set_notes(path, text):
    with h5py.File(path, "r+") as file:
        file.attrs["facegan"] = text


def make_complex(path):
    with h5py.File(path, "r+") as file:
        names = []
        file["model_weights"].visititems(lambda name, item: names.append(name) if hasattr(item, "shape") else None)
        weights = file["model_weights"][names[0]][()]
        del file["model_weights"][names[0]]
        file["model_weights"][names[0]] = weights.astype("complex64")


HOSTILE_MODELS = {
    "complex weights": (make_complex, "complex64, which are not real numbers"),
    "damaged notes": (lambda path: set_notes(path, "{broken"), "notes are damaged"),
    "notes of another kind": (lambda path: set_notes(path, "[1, 2]"), "notes are damaged"),
    "unknown prior": (lambda path: set_notes(path, '{"latent_prior": "cauchy"}'), "unknown distribution, 'cauchy'"),
    "absurd units": (lambda path: change_config(path, "Dense", units=10**9), "1000000000"),
    "absurd shape": (lambda path: change_config(path, "Reshape", target_shape=[10**9, 10**9, 8]), "cannot be built"),
    "absurd latents": (lambda path: change_config(path, "InputLayer", batch_shape=[None, 10**12]), "1000000000000"),
    "absurd strides": (lambda path: change_config(path, "Conv2DTranspose", strides=[10**6, 10**6]), "cannot be built"),
    "True in a shape": (lambda path: change_config(path, "Conv2DTranspose", strides=[True, True]), "not a number"),
}


@pytest.mark.parametrize("kind", HOSTILE_MODELS)
def test_a_hostile_model_file_is_one_line(monkeypatch, capsys, here, kind):
    change, said = HOSTILE_MODELS[kind]
    change(here / "g.h5")
    assert said in refusal(monkeypatch, capsys, generate, "g.h5", "--out", "a.png")


def npz(path, header, compression=zipfile.ZIP_STORED):
    """Write a .npz whose array has this header, and few numbers."""
    header = header.encode() + b"\n"
    with zipfile.ZipFile(path, "w", compression) as archive:
        start = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little")
        archive.writestr("arr_0.npy", start + header + bytes(1 << 16))


ABSURD = "{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000, 8)}"
HOSTILE_LATENTS = {
    "csv": (lambda path: path.write_text("0.1,0.2\n"), "not a complete .npz"),
    "pickle": (lambda path: np.savez(path, np.array([{}], object)), "holds pickled objects, which could run code"),
    "absurd shape": (lambda path: npz(path, ABSURD), "cut short"),
    "absurd shape, compressed": (lambda path: npz(path, ABSURD, zipfile.ZIP_DEFLATED), "incomplete"),
    "True in a shape": (lambda path: npz(path, ABSURD.replace("1000000000000", "True")), "header is damaged"),
    "too large": (lambda path: np.savez(path, np.full((2, 8), 1e300)), "too large"),
}


@pytest.mark.parametrize("kind", HOSTILE_LATENTS)
def test_a_hostile_file_of_latents_is_one_line_that_never_advises_to_load_pickles(monkeypatch, capsys, here, kind):
    write, said = HOSTILE_LATENTS[kind]
    write(here / "l.npz")
    line = refusal(monkeypatch, capsys, generate, "g.h5", "--latents", "l.npz", "--out", "a.png")
    assert line.startswith("generate.py: error: --latents l.npz: ") and said in line
    assert "allow_pickle" not in line


def test_latents_are_read_beside_other_arrays(monkeypatch, here):
    np.savez("l.npz", arr_0=np.zeros((2, 8)), other=np.zeros(3))
    assert not drawing.run(monkeypatch, generate, "g.h5", "--latents", "l.npz", "--out", "a.png")


@pytest.mark.parametrize(
    ("script", "words", "said"),
    [
        (evaluate, "g.h5 --data faces.npz --count 1000000000", "--count: 1000000000 is not from 2 to 100000"),
        (evaluate, "g.h5 --data g.h5", "--data g.h5: is not a complete .npz"),
        (demo, "--train=--stepz", "unrecognized arguments: --stepz"),
        (prepare_faces, "--merge missing.npz --out a.npz", "--merge missing.npz: cannot be read (No such file"),
        (prepare_faces, "photos --out .npz", "--out .npz: must end in .npz after a name"),
        (prepare_faces, "prose.txt --out a.npz", "PHOTOS prose.txt: lists no photos: there is no file Some prose"),
        (prepare_faces, "g.h5 --out a.npz", "PHOTOS g.h5: is not a folder"),
        (prepare_faces, "photos --attributes a.csv --out a.npz", "--out a.csv: is the file of --attributes too"),
        (prepare_faces, "--merge a.npz --out a.npz", "--out a.npz: is the file of --merge a.npz too"),
        (train_gan, "no.npz --preset faces32 --out run", "DATA no.npz: no such file"),
        (train_gan, "g.h5 --preset faces32 --out run", "DATA g.h5: is not a complete .npz"),
        (train_gan, "faces.npz --preset faces32 --batch-size 64 --out run", "--batch-size 64: more than the 40 images"),
    ],
)
def test_mistakes_are_found_before_keras_is_loaded_or_anything_written(monkeypatch, capsys, here, script, words, said):
    (here / "prose.txt").write_text("Some prose\nin two lines\n")
    before = drawing.files_in(here)
    monkeypatch.setattr(cli, "import_keras", None)
    assert said in refusal(monkeypatch, capsys, script, *words.split())
    assert drawing.files_in(here) == before


def test_a_try_that_kept_no_face_does_not_block_the_next(monkeypatch, capsys, here):
    (here / "photos" / "me.jpg").write_bytes(b"no photo")
    for _ in range(2):
        assert drawing.run(monkeypatch, prepare_faces, "photos", "--out", "a.npz", "--crop", "centre") == 2
        assert "no images were kept" in capsys.readouterr().err
