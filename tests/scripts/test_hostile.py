"""What holds for every script on a hostile machine: a full disk, damaged and absurd input, strange names."""

import contextlib
import resource
import shutil

import evaluate
import generate
import interpolate
import make_portraits
import prepare_faces
import vector_arithmetic

import drawing
import matplotlib.cbook
import pytest
import tiny
from drawing import refusal
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
