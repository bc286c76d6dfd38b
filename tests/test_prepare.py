import csv
import itertools
import os
import random
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import matplotlib.cbook
import numpy as np
import pytest
from PIL import Image

import prepare_faces
from facegan import commands, crops, npz, partial, pipeline, preparation
from facegan.detector import Face

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def portrait():
    with Image.open(matplotlib.cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)) as image:
        return image.convert("RGB")


@pytest.fixture
def album(tmp_path, portrait):
    """A folder of five photos: four with a face, one of which a copy of another, and one without."""
    folder = tmp_path / "album"
    (folder / "more").mkdir(parents=True)
    portrait.resize((256, 300)).save(folder / "a.png")
    portrait.resize((256, 300)).save(folder / "b copy.png")
    portrait.rotate(12, expand=True).save(folder / "c.jpg")
    Image.new("RGB", (90, 70), "teal").save(folder / "d.png")
    portrait.resize((96, 112)).convert("L").save(folder / "more" / "e.jpg")
    return folder


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


def prepare(*arguments):
    prepare_faces.main([str(argument) for argument in arguments])


def lines(path):
    with Path(path).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def outputs(out):
    out = Path(out)
    return [out.with_suffix(suffix).read_bytes() for suffix in (".npz", ".csv", ".png")]


def refused(*arguments):
    """Run main and return the one line that a user's mistake gives."""
    with pytest.raises((commands.UserError, SystemExit)) as error:
        prepare(*arguments)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_every_photo_is_accounted_for_and_faces_are_kept_in_order(album, tmp_path, capsys):
    prepare(album, "--out", tmp_path / "out" / "faces.npz", "--size", "48x40")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["faces.csv", "faces.npz", "faces.png"]
    table = lines(tmp_path / "out" / "faces.csv")
    assert [line["source"] for line in table] == ["a.png", "b copy.png", "c.jpg", "d.png", "more/e.jpg"]
    assert [line["status"] for line in table] == ["kept", "kept", "kept", "no face", "kept"]
    assert [line["row"] for line in table] == ["0", "1", "2", "", "3"]
    pixels = npz.open_pixels(tmp_path / "out" / "faces.npz")
    assert pixels.shape == (4, 48, 40, 3)
    np.testing.assert_array_equal(pixels[0], pixels[1])
    first = table[0]
    box = [int(first[name]) for name in ("left", "top", "width", "height")]
    assert (first["photo_width"], first["photo_height"]) == ("256", "300")
    with Image.open(album / "a.png") as photo:
        left, top, width, height = box
        cut = np.asarray(photo)[top : top + height, left : left + width]
    np.testing.assert_array_equal(crops.resize(cut, (48, 40)), pixels[0])
    assert left < float(first["left_eye_x"]) < float(first["right_eye_x"]) < left + width
    printed = capsys.readouterr().out
    assert "kept" in printed and "no face" in printed and "5 photos tried" in printed and "photos/s" in printed


def test_another_photo_is_prepared_as_the_data_set_was(album, tmp_path):
    prepare(album, "--out", tmp_path / "f.npz", "--size", 32, "--align", "--margin", 0.1, "--grey")
    settings, shard = preparation.read_settings(tmp_path / "f.npz")
    assert shard is None and settings.align and settings.row_shape == (32, 32, 1)
    pixels = npz.open_pixels(tmp_path / "f.npz")
    for name, row in (("a.png", 0), ("c.jpg", 2), ("more/e.jpg", 3)):
        np.testing.assert_array_equal(preparation.prepare_photo(album / name, settings), pixels[row])
    with pytest.raises(ValueError, match="no face"):
        preparation.prepare_photo(album / "d.png", settings)
    with pytest.raises(ValueError, match="No such file"):
        preparation.prepare_photo(album / "gone.png", settings)
    np.savez(tmp_path / "foreign.npz", np.asarray(pixels))
    with pytest.raises(ValueError, match="how its photos were prepared"):
        preparation.read_settings(tmp_path / "foreign.npz")


def test_choices_leave_out_faces_and_say_why(album, tmp_path):
    def statuses(*options):
        prepare(album, "--out", tmp_path / "f.npz", "--overwrite", *options)
        return [line["status"] for line in lines(tmp_path / "f.csv")]

    assert statuses("--min-size", 60)[-1] == "too small"
    assert set(statuses("--min-confidence", 1)) == {"low confidence", "no face"}
    assert set(statuses("--frontal", 1)) == {"not frontal", "no face"}
    assert statuses("--drop-duplicates")[1] == "duplicate"
    assert lines(tmp_path / "f.csv")[1]["detail"] == "same pixels as a.png"
    assert npz.open_pixels(tmp_path / "f.npz").shape[0] == 3


def test_of_two_faces_the_best_the_largest_or_all_are_kept(tmp_path, portrait):
    scene = Image.new("RGB", (700, 460), "darkgreen")
    scene.paste(portrait.resize((384, 450)), (0, 0))
    scene.paste(portrait.resize((256, 300)), (420, 100))
    (tmp_path / "two").mkdir()
    scene.save(tmp_path / "two" / "a.png")
    boxes = {}
    for keep in preparation.KEEP:
        prepare(tmp_path / "two", "--out", tmp_path / f"{keep}.npz", "--keep", keep, "--size", 32)
        boxes[keep] = [(int(line["left"]), float(line["confidence"])) for line in lines(tmp_path / f"{keep}.csv")]
    assert len(boxes["all"]) == len(npz.open_pixels(tmp_path / "all.npz")) == 2
    assert boxes["best"][0][1] == max(confidence for _, confidence in boxes["all"])
    assert boxes["largest"] == [min(boxes["all"])]


def test_attributes_are_carried_along(album, tmp_path, capsys):
    table = tmp_path / "list_attr.txt"
    table.write_text("3\nSmiling Young\na.png  1 -1\nmore/e.jpg -1  1\nz.png 1 1\n")
    prepare(album, "--out", tmp_path / "f.npz", "--crop", "centre", "--attributes", table)
    found = lines(tmp_path / "f.csv")
    assert [line["Smiling"] for line in found] == ["1", "", "", "", "-1"]
    assert "3 lines without attributes" in capsys.readouterr().out
    table = table.with_suffix(".csv")
    table.write_text("image_id,Smiling,Young\ne.jpg,-1,1\n")
    prepare(album, "--out", tmp_path / "g.npz", "--crop", "centre", "--attributes", table)
    assert lines(tmp_path / "g.csv")[-1]["Young"] == "1"
    table.write_text("image_id,Smiling,Young\ne.jpg,-1\n")
    assert "another number of values" in refused(album, "--out", tmp_path / "h.npz", "--attributes", table)


def test_eyes_are_set_level():
    canvas = np.zeros((200, 200, 3), np.uint8)
    eyes = np.array([[80.0, 110.0], [120.0, 90.0]])
    for x, y in eyes.astype(int):
        canvas[y - 3 : y + 4, x - 3 : x + 4] = 255
    face = Face(np.array([50.0, 50, 150, 150]), 1.0, np.array([*eyes, [100, 110], [90, 130], [110, 130]]))
    aligned = crops.cut_face(canvas, face, (100, 100), align=True)[..., 0]
    rows = [np.average(np.arange(100), weights=half.sum(axis=1)) for half in (aligned[:, :50], aligned[:, 50:])]
    assert abs(rows[0] - rows[1]) < 1 and abs(np.mean(rows) - 50) < 1.5
    plain = crops.cut_face(canvas, face, (100, 100))[..., 0]
    rows = [np.average(np.arange(100), weights=half.sum(axis=1)) for half in (plain[:, :50], plain[:, 50:])]
    assert rows[0] - rows[1] > 15


def test_frontality_falls_as_the_nose_leaves_the_middle():
    def face(nose_x, turn=0.0):
        points = np.array([[-10.0, 0], [10, 0], [nose_x, 8], [-7, 20], [7, 20]])
        return points @ [[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]] + 50

    assert crops.frontality(face(0)) == pytest.approx(1)
    assert crops.frontality(face(0, turn=0.4)) == pytest.approx(1)
    assert crops.frontality(face(5)) == crops.frontality(face(-5)) == pytest.approx(1 / 3)
    assert crops.frontality(face(12)) == 0
    assert crops.frontality(np.zeros((5, 2))) == 0


def test_boxes_are_clamped_to_the_photo_and_grown_by_the_margin():
    assert crops.box_in_photo([-5, -9.6, 20, 30], (100, 80)) == (0, 0, 20, 30)
    assert crops.box_in_photo([60, 80, 100, 140], (100, 80)) == (60, 80, 19, 19)
    assert crops.box_in_photo([20, 40, 30, 60], (100, 80), margin=0.5) == (15, 30, 20, 40)


def test_the_centre_is_the_largest_rectangle_of_the_shape():
    pixels = np.zeros((100, 60, 3), np.uint8)
    pixels[20:80] = 255
    assert (crops.cut_centre(pixels, (30, 30)) == 255).all()
    assert crops.cut_centre(pixels[:1, :1], (8, 12)).shape == (8, 12, 3)


def test_one_bad_photo_costs_only_itself(album, tmp_path):
    (album / "empty.jpg").write_bytes(b"")
    (album / "text.jpg").write_text("no photo")
    (album / "母.jpg").write_bytes((album / "c.jpg").read_bytes()[:3000])
    Image.new("RGB", (1, 1)).save(album / "one.png")
    with zipfile.ZipFile(tmp_path / "album.zip", "w") as archive:
        for path in sorted(path for path in album.rglob("*") if path.is_file()):
            archive.write(path, f"../{path.relative_to(album)}")
    prepare(album, "--out", tmp_path / "f.npz", "--size", 32)
    found = {line["source"]: line for line in lines(tmp_path / "f.csv")}
    assert len(found) == 9
    assert [found[name]["status"] for name in ("empty.jpg", "text.jpg", "母.jpg")] == ["unreadable"] * 3
    assert found["empty.jpg"]["detail"] == "empty file" and "truncated" in found["母.jpg"]["detail"]
    assert found["one.png"]["status"] == "no face"
    prepare(tmp_path / "album.zip", "--out", tmp_path / "g.npz", "--size", 32)
    assert npz.open_pixels(tmp_path / "g.npz").tobytes() == npz.open_pixels(tmp_path / "f.npz").tobytes()
    assert not (tmp_path.parent / "a.png").exists()


def test_mistakes_are_one_line_before_any_work(album, tmp_path, monkeypatch):
    monkeypatch.setattr(preparation, "Preparer", None)
    out = tmp_path / "f.npz"
    (tmp_path / "file").write_text("")
    (tmp_path / "void").mkdir()
    assert "must end in .npz" in refused(album, "--out", tmp_path / "f.png")
    assert "cannot be written" in refused(album, "--out", tmp_path / "file" / "f.npz")
    assert "cannot be read" in refused(tmp_path / "nowhere", "--out", out)
    assert "no pictures" in refused(tmp_path / "void", "--out", out)
    assert "make fewer parts" in refused(album, "--out", out, "--shard", "1/9")
    assert "--align: needs faces" in refused(album, "--out", out, "--crop", "centre", "--align")
    for wrong in (["--size", "7"], ["--size", "9x"], ["--shard", "3/2"], ["--shard", "x"], ["--frontal", "2"], []):
        assert refused(*([album] if wrong else []), "--out", out, *wrong) == "2"
    for beside in (".npz", ".csv", ".png"):
        out.with_suffix(beside).write_text("mine")
        assert "exists already" in refused(album, "--out", out)
        assert out.with_suffix(beside).read_text() == "mine"
        out.with_suffix(beside).unlink()
    assert not partial.folder_of(out).exists()


def test_limit_grey_and_lists(album, tmp_path):
    (tmp_path / "list.txt").write_text("album/d.png\nalbum/a.png\nalbum/gone.png\nalbum/c.jpg\n")
    prepare(tmp_path / "list.txt", "--out", tmp_path / "f.npz", "--limit", 3, "--grey", "--crop", "centre")
    assert [line["status"] for line in lines(tmp_path / "f.csv")] == ["kept", "kept", "unreadable"]
    assert npz.open_pixels(tmp_path / "f.npz").shape == (2, 80, 80, 1)


def test_parts_join_to_the_same_bytes_as_one_run(album, tmp_path):
    for options in ([], ["--drop-duplicates"], ["--keep", "all", "--min-size", 60]):
        prepare(album, "--out", tmp_path / "whole.npz", "--size", 24, "--overwrite", *options)
        for shard in (1, 2, 3):
            out = tmp_path / f"part{shard}.npz"
            prepare(album, "--out", out, "--size", 24, "--shard", f"{shard}/3", "--overwrite", *options)
        parts = [tmp_path / f"part{shard}.npz" for shard in (3, 1, 2)]
        prepare("--merge", *parts, "--out", tmp_path / "joined.npz", "--overwrite")
        assert outputs(tmp_path / "joined.npz") == outputs(tmp_path / "whole.npz")
    assert "part 2/3 is missing" in refused("--merge", *parts[:2], "--out", tmp_path / "x.npz")
    assert "named twice" in refused("--merge", *parts, parts[0], "--out", tmp_path / "x.npz")
    assert "no part" in refused("--merge", tmp_path / "whole.npz", "--out", tmp_path / "x.npz")
    prepare(album, "--out", parts[0], "--size", 32, "--shard", "3/3", "--overwrite")
    assert "other options" in refused("--merge", *parts, "--out", tmp_path / "x.npz")
    parts[0].with_suffix(".csv").unlink()
    assert "is missing" in refused("--merge", *parts, "--out", tmp_path / "x.npz")
    assert not (tmp_path / "x.npz").exists()


def centre(pictures, out):
    return ["--crop", "centre", "--size", "8", "--drop-duplicates", str(pictures), "--out", str(out)]


def test_killed_at_random_moments_it_ends_in_the_same_bytes(pictures, tmp_path):
    prepare(*centre(pictures, tmp_path / "whole.npz"))
    out = tmp_path / "f.npz"
    script = (
        "import itertools, os, sys; from facegan import commands, pipeline; import prepare_faces\n"
        "pipeline.BATCH_PHOTOS = 50; work, calls = prepare_faces.add, itertools.count(1)\n"
        "last, kind = int(sys.argv.pop(1)), int(sys.argv.pop(1))\n"
        "def add(*arguments):\n"
        "    if next(calls) == last: os.kill(os.getpid(), kind)\n"
        "    return work(*arguments)\n"
        "prepare_faces.add = add; commands.run(prepare_faces.main)"
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
    assert not partial.folder_of(out).exists()


def interrupted(monkeypatch, pictures, out, batches, stop=KeyboardInterrupt):
    """Prepare in batches of 100 photos and stop after some."""
    monkeypatch.setattr(pipeline, "FIRST_BATCH", 100)
    monkeypatch.setattr(pipeline, "BATCH_PHOTOS", 100)
    add, left = partial.Partial.add, [batches]

    def stopping(self, *arguments):
        if not left[0]:
            raise stop
        left[0] -= 1
        add(self, *arguments)

    with monkeypatch.context() as patched:
        patched.setattr(partial.Partial, "add", stopping)
        with pytest.raises(stop, match="run the same command"):
            prepare(*centre(pictures, out))


@pytest.mark.parametrize("damage", ["rows", "photos.csv", "journal", "none"])
def test_what_a_power_cut_tears_is_cut_off(monkeypatch, pictures, tmp_path, damage):
    prepare(*centre(pictures, tmp_path / "whole.npz"))
    out = tmp_path / "f.npz"
    interrupted(monkeypatch, pictures, out, 4)
    assert not out.exists()
    if damage != "none":
        with (partial.folder_of(out) / damage).open("ab") as file:
            file.write(b'{"photos": 500, "rows"')
    seen = []
    monkeypatch.setattr(prepare_faces, "add", lambda *a, add=prepare_faces.add: (seen.append(len(a[1])), add(*a)))
    prepare(*centre(pictures, out))
    assert sum(seen) == 1100
    assert outputs(out) == outputs(tmp_path / "whole.npz")


def test_other_options_do_not_go_on_from_unfinished_work(monkeypatch, pictures, tmp_path):
    out = tmp_path / "f.npz"
    interrupted(monkeypatch, pictures, out, 1, commands.Terminated)
    said = refused(*centre(pictures, out), "--grey")
    assert "grey" in said and "--overwrite" in said
    prepare(*centre(pictures, out), "--grey", "--overwrite")
    assert npz.open_pixels(out).shape == (1500, 8, 8, 1)


def test_an_existing_file_stays_until_its_successor_is_whole(monkeypatch, pictures, tmp_path):
    out = tmp_path / "f.npz"
    prepare(*centre(pictures, out))
    before = outputs(out)
    add = partial.Partial.add
    with monkeypatch.context() as patched:
        patched.setattr(
            partial.Partial, "add", lambda self, *a: (add(self, *a), (_ for _ in ()).throw(KeyboardInterrupt))
        )
        with pytest.raises(KeyboardInterrupt):
            prepare(*centre(pictures, out), "--grey", "--overwrite")
    assert outputs(out) == before
    prepare(*centre(pictures, out), "--grey", "--overwrite")
    assert npz.open_pixels(out).shape[3] == 1 and not partial.folder_of(out).exists()


@pytest.mark.parametrize("step", ["csv", "png", "finishing", "rows", "sweep"])
def test_stopped_while_finishing_it_finishes(monkeypatch, pictures, tmp_path, step):
    prepare(*centre(pictures, tmp_path / "whole.npz"))
    out = tmp_path / "f.npz"
    replace, sweep = Path.replace, partial.sweep
    done = []

    def dying(self, target):
        if step in (Path(target).suffix[1:], Path(target).name, self.name):
            raise KeyboardInterrupt
        return replace(self, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", dying)
        patched.setattr(partial, "sweep", lambda path: sweep(path) if not done.append(1) and len(done) == 1 else 1 / 0)
        with pytest.raises((KeyboardInterrupt, ZeroDivisionError)):
            prepare(*centre(pictures, out))
    prepare(*centre(pictures, out))
    assert outputs(out) == outputs(tmp_path / "whole.npz")
    assert not partial.folder_of(out).exists()


def test_two_runs_do_not_write_one_file(pictures, tmp_path):
    out = tmp_path / "f.npz"
    with partial.Partial(out, {}, (8, 8, 3), "source\n"):
        assert "another process" in refused(*centre(pictures, out))


@pytest.mark.skipif(os.name != "posix", reason="file-size limits")
def test_a_full_disk_says_so_and_the_work_can_be_continued(pictures, tmp_path):
    prepare(*centre(pictures, tmp_path / "whole.npz"))
    out = tmp_path / "f.npz"
    script = (
        "import resource, sys; from facegan import commands, pipeline; import prepare_faces\n"
        "pipeline.BATCH_PHOTOS = 100; resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv.pop(1)),) * 2)\n"
        "commands.run(prepare_faces.main)"
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


def test_photos_come_in_order_and_few_are_held(monkeypatch):
    monkeypatch.setattr(pipeline, "AHEAD_BYTES", 500)
    monkeypatch.setattr(pipeline, "BATCH_BYTES", 1000)
    held, most = set(), []

    def read(name):
        held.add(name)
        most.append(len(held))
        time.sleep(0.002 * (name % 3))
        return preparation.Photo(name, np.zeros((10, 10), np.uint8))

    order = []
    for batch in pipeline.batches(list(range(200)), read, threads=4):
        time.sleep(0.01)
        order += [photo.source for photo in batch]
        held.difference_update(photo.source for photo in batch)
        assert len(batch) == 10
    assert order == list(range(200))
    assert max(most) <= 10 + 5 + 4 + 1


def test_a_bug_while_reading_is_not_swallowed():
    with pytest.raises(ZeroDivisionError):
        list(pipeline.batches([1, 2], lambda name: 1 / 0))


def test_celeba_is_fetched_by_the_client_and_prepared(monkeypatch, album, tmp_path, capsys):
    client = type(sys)("kagglehub")
    fetched = tmp_path / "fetched"
    fetched.mkdir()
    album.rename(fetched / "img_align_celeba")
    (fetched / "list_attr_celeba.csv").write_text("image_id,Young\n")
    client.dataset_download = lambda handle: str(fetched) if handle.startswith("jessicali9530/celeba") else None
    monkeypatch.setitem(sys.modules, "kagglehub", client)
    monkeypatch.setenv("KAGGLEHUB_CACHE", "")
    prepare("--download", "celeba", "--out", tmp_path / "f.npz", "--crop", "centre", "--size", 16)
    printed = capsys.readouterr().err
    assert "non-commercial" in printed and "list_attr_celeba.csv" in printed
    assert len(npz.open_pixels(tmp_path / "f.npz")) == 5
    client.dataset_download = lambda handle: 1 / 0
    assert "goes on" in refused("--download", "celeba", "--out", tmp_path / "g.npz")
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    assert "pip install kagglehub" in refused("--download", "celeba", "--out", tmp_path / "g.npz")
