"""prepare_faces.py accounts for every photo, keeps the faces asked for, and refuses bad input in one line."""

import dataclasses
import os
import subprocess
import sys
import zipfile
from pathlib import Path

from facegan.common import datasets
from facegan.preparing import crops, preparer, resumable
from facegan.preparing.settings import KEEP, read_settings

import matplotlib.cbook
import numpy as np
import pytest
from PIL import Image
from prepare_runs import lines, outputs, prepare, refused

ROOT = Path(__file__).parents[2]


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


def test_every_photo_is_accounted_for_and_faces_are_kept_in_order(album, tmp_path, capsys):
    prepare(album, "--out", tmp_path / "out" / "faces.npz", "--size", "48x40")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["faces.csv", "faces.npz", "faces.png"]
    table = lines(tmp_path / "out" / "faces.csv")
    assert [line["source"] for line in table] == ["a.png", "b copy.png", "c.jpg", "d.png", "more/e.jpg"]
    assert [line["status"] for line in table] == ["kept", "kept", "kept", "no face", "kept"]
    assert [line["row"] for line in table] == ["0", "1", "2", "", "3"]
    pixels = datasets.open_pixels(tmp_path / "out" / "faces.npz")
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


def test_a_later_photo_is_prepared_as_the_data_set_was(album, tmp_path):
    prepare(album, "--out", tmp_path / "f.npz", "--size", 32, "--align", "--margin", 0.1, "--grey")
    settings, shard = read_settings(tmp_path / "f.npz")
    assert shard is None and settings.align and settings.row_shape == (32, 32, 1)
    assert datasets.preparation_record(tmp_path / "f.npz")["template"] == "five landmarks"
    pixels = datasets.open_pixels(tmp_path / "f.npz")
    for name, row in (("a.png", 0), ("c.jpg", 2), ("more/e.jpg", 3)):
        np.testing.assert_array_equal(preparer.prepare_photo(album / name, settings), pixels[row])
    with pytest.raises(preparer.NoFaceError, match=r"d\.png: no face"):
        preparer.prepare_photo(album / "d.png", settings)
    with pytest.raises(preparer.NoFaceError, match=r"a\.png: not frontal"):
        preparer.prepare_photo(album / "a.png", dataclasses.replace(settings, frontal=1.0))
    with pytest.raises(ValueError, match=r"gone\.png: unreadable: No such file") as caught:
        preparer.prepare_photo(album / "gone.png", settings)
    assert not isinstance(caught.value, preparer.NoFaceError)
    np.savez(tmp_path / "foreign.npz", np.asarray(pixels))
    with pytest.raises(ValueError, match="how its photos were prepared"):
        read_settings(tmp_path / "foreign.npz")


def test_filters_leave_out_faces_and_say_why(album, tmp_path, capsys):
    def statuses(*options):
        prepare(album, "--out", tmp_path / "f.npz", "--overwrite", *options)
        return [line["status"] for line in lines(tmp_path / "f.csv")]

    assert statuses("--min-size", 60)[-1] == "too small"
    assert set(statuses("--min-confidence", 1)) == {"low confidence", "no face"}
    assert set(statuses("--frontal", 1)) == {"not frontal", "no face"}
    for align in ([], ["--align"]):
        assert statuses("--min-detail", 1, "--size", 60, *align) == [*["kept"] * 3, "no face", "too little detail"]
    assert read_settings(tmp_path / "f.npz")[0].min_detail == 1
    assert statuses("--align", "--margin", 1).count("kept") == 4
    assert "100% of the images reach more than a tenth beyond their photo" in capsys.readouterr().out
    assert set(statuses("--align", "--margin", 1, "--min-inside", 0.95)) == {"beyond the edge", "no face"}
    assert "reach more than" not in capsys.readouterr().out
    assert statuses("--align", "--margin", 1, "--min-inside", 0.3).count("kept") == 4
    assert read_settings(tmp_path / "f.npz")[0].min_inside == 0.3
    assert statuses("--drop-duplicates")[1] == "duplicate"
    assert lines(tmp_path / "f.csv")[1]["detail"] == "same pixels as a.png"
    assert datasets.open_pixels(tmp_path / "f.npz").shape[0] == 3


def test_of_two_faces_the_best_the_largest_or_all_are_kept(tmp_path, portrait):
    scene = Image.new("RGB", (700, 460), "darkgreen")
    scene.paste(portrait.resize((384, 450)), (0, 0))
    scene.paste(portrait.resize((256, 300)), (420, 100))
    (tmp_path / "two").mkdir()
    scene.save(tmp_path / "two" / "a.png")
    boxes = {}
    for keep in KEEP:
        prepare(tmp_path / "two", "--out", tmp_path / f"{keep}.npz", "--keep", keep, "--size", 32)
        boxes[keep] = [(int(line["left"]), float(line["confidence"])) for line in lines(tmp_path / f"{keep}.csv")]
    assert len(boxes["all"]) == len(datasets.open_pixels(tmp_path / "all.npz")) == 2
    assert boxes["best"][0][1] == max(confidence for _, confidence in boxes["all"])
    assert boxes["largest"] == [min(boxes["all"])]


def test_attributes_are_copied_into_the_csv(album, tmp_path, capsys):
    table = tmp_path / "list_attr.txt"
    table.write_text("3\nSmiling Young\na.png  1 -1\nmore/e.jpg -1  1\nz.png 1 1\n")
    prepare(album, "--out", tmp_path / "f.npz", "--crop", "centre", "--attributes", table)
    found = lines(tmp_path / "f.csv")
    assert [line["Smiling"] for line in found] == ["1", "", "", "", "-1"]
    assert "3 photos are missing from the attribute table" in capsys.readouterr().out
    table = table.with_suffix(".csv")
    table.write_text("image_id,Smiling,Young\ne.jpg,-1,1\n")
    prepare(album, "--out", tmp_path / "g.npz", "--crop", "centre", "--attributes", table)
    assert lines(tmp_path / "g.csv")[-1]["Young"] == "1"
    table.write_text("image_id,Smiling,Young\ne.jpg,-1\n")
    lists = tmp_path / "h.csv"
    lists.write_text("a.jpg")
    assert f"--out {lists}: is the file of PHOTOS too" in refused(lists, "--out", tmp_path / "h.npz", "--overwrite")
    lists.unlink()
    said = refused(album, "--out", tmp_path / "h.npz", "--attributes", table)
    assert said.startswith("--attributes ") and "e.jpg has 1 values for 2 attributes" in said
    table.write_text("image_id,Smiling,status\ne.jpg,-1,1\n")
    assert "'status' appears twice" in refused(album, "--out", tmp_path / "h.npz", "--attributes", table)


def test_a_bad_photo_affects_no_other(album, tmp_path):
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
    assert datasets.open_pixels(tmp_path / "g.npz").tobytes() == datasets.open_pixels(tmp_path / "f.npz").tobytes()
    assert not (tmp_path.parent / "a.png").exists()


def test_mistakes_are_one_line_before_any_work(album, tmp_path, monkeypatch):
    monkeypatch.setattr(preparer, "Preparer", None)
    out = tmp_path / "f.npz"
    (tmp_path / "file").write_text("")
    (tmp_path / "void").mkdir()
    assert "must end in .npz" in refused(album, "--out", tmp_path / "f.png")
    assert "cannot be written" in refused(album, "--out", tmp_path / "file" / "f.npz")
    assert "cannot be read" in refused(tmp_path / "nowhere", "--out", out)
    assert "no pictures" in refused(tmp_path / "void", "--out", out)
    assert "make fewer shards" in refused(album, "--out", out, "--shard", "1/9")
    for option in (["--align"], ["--min-detail", 1], ["--min-inside", 1]):
        assert f"{option[0]}: needs faces" in refused(album, "--out", out, "--crop", "centre", *option)
    assert "--min-inside: needs --align" in refused(album, "--out", out, "--min-inside", 0.5)
    for wrong in (["--size", "7"], ["--size", "9x"], ["--shard", "3/2"], ["--shard", "x"], ["--frontal", "2"],
                  ["--min-inside", "1.1"], ["--min-detail", "-1"], ["--min-detail", "nan"], []):  # fmt: skip
        assert refused(*([album] if wrong else []), "--out", out, *wrong) == "2"
    for beside in (".npz", ".csv", ".png"):
        out.with_suffix(beside).write_text("mine")
        assert "exists already" in refused(album, "--out", out)
        assert out.with_suffix(beside).read_text() == "mine"
        out.with_suffix(beside).unlink()
    assert not resumable.folder_of(out).exists()


def test_the_first_photos_of_a_list_are_taken_in_its_order_and_in_grey(album, tmp_path):
    (tmp_path / "list.txt").write_text("album/d.png\nalbum/a.png\nalbum/gone.png\nalbum/c.jpg\n")
    prepare(tmp_path / "list.txt", "--out", tmp_path / "f.npz", "--photos", 3, "--grey", "--crop", "centre")
    assert [line["status"] for line in lines(tmp_path / "f.csv")] == ["kept", "kept", "unreadable"]
    assert datasets.open_pixels(tmp_path / "f.npz").shape == (2, 80, 80, 1)


def test_the_limit_counts_images_kept_and_not_photos(album, tmp_path, capsys):
    prepare(album, "--out", tmp_path / "f.npz", "--size", 24, "--limit", 4)
    assert len(datasets.open_pixels(tmp_path / "f.npz")) == 4
    assert [line["source"] for line in lines(tmp_path / "f.csv")][-2:] == ["d.png", "more/e.jpg"]
    prepare(album, "--out", tmp_path / "f.npz", "--size", 24, "--limit", 3, "--overwrite")
    assert [line["source"] for line in lines(tmp_path / "f.csv")] == ["a.png", "b copy.png", "c.jpg"]
    assert "fewer than" not in capsys.readouterr().out
    prepare(album, "--out", tmp_path / "f.npz", "--size", 24, "--limit", 5, "--overwrite")
    assert "4 rows in" in (printed := capsys.readouterr().out) and "fewer than --limit 5: there are no more" in printed


def test_the_limit_ends_a_photo_with_several_faces(portrait, tmp_path):
    scene = Image.new("RGB", (700, 300), (90, 120, 90))
    for left in (0, 350):
        scene.paste(portrait.resize((256, 300)), (left, 0))
    (tmp_path / "photos").mkdir()
    for name in ("a", "b"):
        scene.save(tmp_path / "photos" / f"{name}.png")
    for limit in (1, 2, 3):
        prepare(tmp_path / "photos", "--out", tmp_path / "f.npz", "--keep", "all", "--limit", limit, "--overwrite")
        assert len(datasets.open_pixels(tmp_path / "f.npz")) == limit
        assert [line["source"] for line in lines(tmp_path / "f.csv")] == ["a.png", "a.png", "b.png"][:limit]


def test_shards_merge_to_the_same_bytes_as_one_run(album, tmp_path):
    limits = [["--limit", 2], ["--limit", 3, "--drop-duplicates"]]
    for options in ([], ["--drop-duplicates"], ["--keep", "all", "--min-size", 60], *limits):
        prepare(album, "--out", tmp_path / "whole.npz", "--size", 24, "--overwrite", *options)
        for shard in (1, 2, 3):
            out = tmp_path / f"shard{shard}.npz"
            prepare(album, "--out", out, "--size", 24, "--shard", f"{shard}/3", "--overwrite", *options)
        shards = [tmp_path / f"shard{shard}.npz" for shard in (3, 1, 2)]
        prepare("--merge", *shards, "--out", tmp_path / "merged.npz", "--overwrite")
        assert outputs(tmp_path / "merged.npz") == outputs(tmp_path / "whole.npz")
    assert "--merge shard 2/3 is missing" in refused("--merge", *shards[:2], "--out", tmp_path / "x.npz")
    assert "named twice" in refused("--merge", *shards, shards[0], "--out", tmp_path / "x.npz")
    assert "is a whole data set" in refused("--merge", tmp_path / "whole.npz", "--out", tmp_path / "x.npz")
    table = shards[1].with_suffix(".csv")
    whole_table = table.read_text(encoding="utf-8")
    table.write_text("".join(whole_table.splitlines(keepends=True)[:-1]), encoding="utf-8")
    assert "different number of rows" in refused("--merge", *shards, "--out", tmp_path / "x.npz")
    table.write_text(f'{whole_table}"{"x" * 140_000}', encoding="utf-8")
    assert "field larger than field limit" in refused("--merge", *shards, "--out", tmp_path / "x.npz")
    table.write_text(whole_table, encoding="utf-8")
    prepare(album, "--out", shards[0], "--size", 32, "--shard", "3/3", "--overwrite")
    assert "different options" in refused("--merge", *shards, "--out", tmp_path / "x.npz")
    shards[0].with_suffix(".csv").unlink()
    assert "is missing" in refused("--merge", *shards, "--out", tmp_path / "x.npz")
    assert not (tmp_path / "x.npz").exists()


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
    assert "non-commercial" in printed and f"--attributes {fetched / 'list_attr_celeba.csv'}" in printed
    assert len(datasets.open_pixels(tmp_path / "f.npz")) == 5
    client.dataset_download = lambda handle: 1 / 0
    assert "run the same command to resume" in refused("--download", "celeba", "--out", tmp_path / "g.npz")
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    assert "--download celeba: kagglehub is missing: pip install kagglehub" in refused(
        "--download", "celeba", "--out", tmp_path / "g.npz"
    )


def test_photographs_without_a_face_give_exit_code_2_but_a_shard_may_have_none(tmp_path, capsys):
    (tmp_path / "photos").mkdir()
    for name in ("a", "b"):
        Image.new("RGB", (64, 64)).save(tmp_path / "photos" / f"{name}.png")
    assert prepare(tmp_path / "photos", "--out", tmp_path / "f.npz") == 2
    assert "no images were kept (the .csv says why); change the options and try again" in capsys.readouterr().err
    assert prepare(tmp_path / "photos", "--out", tmp_path / "g.npz", "--shard", "1/2") is None


def test_without_opencv_faces_are_refused_at_once_and_all_else_works(album, tmp_path):
    """As on a slim system, where opencv-python finds no libGL.so.1."""
    message = "libGL.so.1: cannot open shared object file: No such file or directory"
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "cv2.py").write_text(f"raise ImportError({message!r})\n")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path / "broken"), str(ROOT)])}

    def run(*arguments):
        command = [sys.executable, *map(str, arguments)]
        return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=120)

    out, shards = tmp_path / "f.npz", [tmp_path / "1.npz", tmp_path / "2.npz"]
    for option in ("--align", "--fast"):
        result = run("prepare_faces.py", album, "--out", out, option)
        assert result.returncode == 2 and result.stdout == "" and result.stderr.count("\n") == 1
        assert result.stderr.startswith("prepare_faces.py: error: --crop face: ") and message in result.stderr
        assert "pip install opencv-python-headless" in result.stderr and "libgl1" in result.stderr
        assert not list(tmp_path.glob("f.*"))
    for number, shard in enumerate(shards, 1):
        options = ["--crop", "centre", "--shard", f"{number}/2"]
        assert run("prepare_faces.py", album, "--out", shard, *options).returncode == 0
    assert run("prepare_faces.py", "--merge", *shards, "--out", out).returncode == 0
    program = (
        "import sys; from facegan.preparing import preparer, settings\n"
        "chosen, _ = settings.read_settings(sys.argv[1])\n"
        "print(preparer.prepare_photo(sys.argv[2], chosen).shape)"
    )
    assert run("-c", program, out, album / "a.png").stdout == "(80, 80, 3)\n"
