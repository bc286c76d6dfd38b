"""However preparing is interrupted, the same command ends in the same bytes, and no file is ever incomplete."""

import itertools
import os
import random
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import prepare_faces
from facegan.common import cli, datasets
from facegan.preparing import pipeline, resumable

import numpy as np
import pytest
from PIL import Image
from prepare_runs import outputs, prepare, refused

ROOT = Path(__file__).parents[2]


@pytest.fixture
def pictures(tmp_path):
    """A .zip of 1,500 small pictures of three sizes, which need no detector."""
    colours = np.random.default_rng(5).integers(0, 256, (1500, 6, 7, 3), dtype=np.uint8)
    path = tmp_path / "pictures.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number, pixels in enumerate(colours):
            with archive.open(f"{number:04}.png", "w") as file:
                Image.fromarray(pixels[: 6 - number % 3]).save(file, "PNG", compress_level=1)
    return path


def centre(pictures, out):
    return ["--crop", "centre", "--size", "8", "--drop-duplicates", str(pictures), "--out", str(out)]


def test_killed_at_random_moments_it_ends_in_the_same_bytes(pictures, tmp_path):
    prepare(*centre(pictures, tmp_path / "whole.npz"))
    out = tmp_path / "f.npz"
    script = (
        "import itertools, os, sys; import prepare_faces\n"
        "from facegan.common import cli; from facegan.preparing import pipeline\n"
        "pipeline.BATCH_PHOTOS = 50; work, calls = prepare_faces.add, itertools.count(1)\n"
        "last, kind = int(sys.argv.pop(1)), int(sys.argv.pop(1))\n"
        "def add(*arguments):\n"
        "    if next(calls) == last: os.kill(os.getpid(), kind)\n"
        "    return work(*arguments)\n"
        "prepare_faces.add = add; cli.run(prepare_faces.main)"
    )
    moments, codes = random.Random(6), []
    for attempt in itertools.count():
        kind = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)[attempt % 3]
        last = moments.randint(1, 8) if attempt < 6 else -1
        command = [sys.executable, "-c", script, str(last), str(int(kind)), *centre(pictures, out)]
        result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        codes.append(result.returncode)
        assert "Traceback" not in result.stderr
        if result.returncode == 0:
            break
        assert not out.exists()
    assert len(codes) > 2
    assert set(codes) <= {0, -signal.SIGKILL, 143, 130}
    assert outputs(out) == outputs(tmp_path / "whole.npz")
    assert not resumable.folder_of(out).exists()


def interrupted(monkeypatch, pictures, out, batches, stop=KeyboardInterrupt, options=()):
    """Prepare in batches of 100 photos and stop after some."""
    monkeypatch.setattr(pipeline, "FIRST_BATCH", 100)
    monkeypatch.setattr(pipeline, "BATCH_PHOTOS", 100)
    add, left = resumable.ResumablePreparation.add, [batches]

    def stopping(self, *arguments):
        if not left[0]:
            raise stop
        left[0] -= 1
        add(self, *arguments)

    with monkeypatch.context() as patched:
        patched.setattr(resumable.ResumablePreparation, "add", stopping)
        with pytest.raises(stop, match="run the same command"):
            prepare(*centre(pictures, out), *options)


@pytest.mark.parametrize("damage", ["rows", "photos.csv", "journal", "none"])
def test_incomplete_ends_of_files_after_a_power_cut_are_cut_off(monkeypatch, pictures, tmp_path, damage):
    prepare(*centre(pictures, tmp_path / "whole.npz"))
    out = tmp_path / "f.npz"
    interrupted(monkeypatch, pictures, out, 4)
    assert not out.exists()
    if damage != "none":
        with (resumable.folder_of(out) / damage).open("ab") as file:
            file.write(b'{"photos": 500, "rows"')
    seen = []
    monkeypatch.setattr(prepare_faces, "add", lambda *a, add=prepare_faces.add: (seen.append(len(a[1])), add(*a)))
    prepare(*centre(pictures, out))
    assert sum(seen) == 1100
    assert outputs(out) == outputs(tmp_path / "whole.npz")


@pytest.mark.parametrize("batches", [0, 3, 7, "all"])
def test_a_limited_run_ends_in_the_same_bytes_wherever_it_was_interrupted(monkeypatch, pictures, tmp_path, batches):
    limit, out = ["--limit", "730"], tmp_path / "f.npz"
    prepare(*centre(pictures, tmp_path / "whole.npz"), *limit)
    assert len(datasets.open_pixels(tmp_path / "whole.npz")) == 730
    if batches == "all":
        with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
            patched.setattr(prepare_faces, "save_preview", lambda *paths: (_ for _ in ()).throw(KeyboardInterrupt))
            prepare(*centre(pictures, out), *limit)
    else:
        interrupted(monkeypatch, pictures, out, batches, options=limit)
    prepare(*centre(pictures, out), *limit)
    assert outputs(out) == outputs(tmp_path / "whole.npz")


def test_other_options_do_not_resume_unfinished_work(monkeypatch, pictures, tmp_path):
    out = tmp_path / "f.npz"
    interrupted(monkeypatch, pictures, out, 1, stop=cli.Terminated)
    said = refused(*centre(pictures, out), "--grey")
    assert said.startswith("--out ") and "another grey" in said and "choose to overwrite" in said
    prepare(*centre(pictures, out), "--grey", "--overwrite")
    assert datasets.open_pixels(out).shape == (1500, 8, 8, 1)


def test_an_existing_file_stays_until_its_replacement_is_complete(monkeypatch, pictures, tmp_path):
    out = tmp_path / "f.npz"
    prepare(*centre(pictures, out))
    before = outputs(out)
    add = resumable.ResumablePreparation.add
    with monkeypatch.context() as patched:
        patched.setattr(
            resumable.ResumablePreparation,
            "add",
            lambda self, *a: (add(self, *a), (_ for _ in ()).throw(KeyboardInterrupt)),
        )
        with pytest.raises(KeyboardInterrupt):
            prepare(*centre(pictures, out), "--grey", "--overwrite")
    assert outputs(out) == before
    prepare(*centre(pictures, out), "--grey", "--overwrite")
    assert datasets.open_pixels(out).shape[3] == 1 and not resumable.folder_of(out).exists()


@pytest.mark.parametrize("step", ["csv", "png", "finishing", "rows", "removal"])
def test_a_run_interrupted_while_it_puts_files_in_place_can_be_finished(monkeypatch, pictures, tmp_path, step):
    prepare(*centre(pictures, tmp_path / "whole.npz"))
    out = tmp_path / "f.npz"
    replace, remove_finished = Path.replace, resumable.remove_finished
    done = []

    def dying(self, target):
        if step in (Path(target).suffix[1:], Path(target).name, self.name):
            raise KeyboardInterrupt
        return replace(self, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", dying)
        patched.setattr(
            resumable,
            "remove_finished",
            lambda path: remove_finished(path) if not done.append(1) and len(done) == 1 else 1 / 0,
        )
        with pytest.raises((KeyboardInterrupt, ZeroDivisionError)):
            prepare(*centre(pictures, out))
    prepare(*centre(pictures, out))
    assert outputs(out) == outputs(tmp_path / "whole.npz")
    assert not resumable.folder_of(out).exists()


def test_two_commands_cannot_write_one_file(pictures, tmp_path):
    out = tmp_path / "f.npz"
    with resumable.ResumablePreparation(out, {}, row_shape=(8, 8, 3), header="source\n"):
        assert "another process" in refused(*centre(pictures, out))


@pytest.mark.skipif(os.name != "posix", reason="file-size limits")
def test_a_full_disk_is_reported_and_the_work_can_be_resumed(pictures, tmp_path):
    prepare(*centre(pictures, tmp_path / "whole.npz"))
    out = tmp_path / "f.npz"
    script = (
        "import resource, sys; import prepare_faces\n"
        "from facegan.common import cli; from facegan.preparing import pipeline\n"
        "pipeline.BATCH_PHOTOS = 100; resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv.pop(1)),) * 2)\n"
        "cli.run(prepare_faces.main)"
    )
    for limit in (
        0,
        1000,
        150_000,
        288_400,
    ):  # nothing, the csv's first lines, half the rows, all but the archive's end
        command = [sys.executable, "-c", script, str(limit), *centre(pictures, out)]
        result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
        assert result.returncode == 2 and not out.exists()
        assert "full" in result.stderr and result.stderr.count("\n") == 1
    prepare(*centre(pictures, out))
    assert outputs(out) == outputs(tmp_path / "whole.npz")
