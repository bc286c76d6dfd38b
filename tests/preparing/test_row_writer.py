"""A data set is written row by row as a .npz that numpy reads, and every damaged .npz is refused in one line."""

import pickle
import zipfile

from facegan.common import datasets
from facegan.preparing import row_writer

import numpy as np
import pytest


@pytest.fixture
def pixels():
    return np.random.default_rng(1).integers(0, 256, (7, 5, 4, 3), dtype=np.uint8)


def write(path, pixels, rows=0):
    with row_writer.RowWriter(path, pixels.shape[1:], rows) as writer:
        writer.write(pixels[rows:])
        writer.finish(b"how it was made")
    return path


def test_numpy_reads_what_is_written_row_by_row(tmp_path, pixels):
    path = write(tmp_path / "a.npz", pixels)
    assert zipfile.ZipFile(path).testzip() is None
    with np.load(path, allow_pickle=False) as archive:
        assert archive.files == ["arr_0"]
        np.testing.assert_array_equal(archive["arr_0"], pixels)


def test_a_file_without_rows_is_a_complete_npz(tmp_path, pixels):
    path = write(tmp_path / "a.npz", pixels[:0])
    assert np.load(path)["arr_0"].shape == (0, 5, 4, 3)
    with pytest.raises(ValueError, match="shape"):
        datasets.open_pixels(path)


def test_resuming_after_the_good_rows_gives_the_same_bytes(tmp_path, pixels):
    whole = write(tmp_path / "whole.npz", pixels).read_bytes()
    part = tmp_path / "part"
    with row_writer.RowWriter(part, pixels.shape[1:]) as writer:
        writer.write(pixels[:3])
        writer.write(255 - pixels[3:5])
        writer.finish()
    assert write(part, pixels, rows=3).read_bytes() == whole
    with pytest.raises(ValueError, match="fewer than 100"):
        row_writer.RowWriter(part, pixels.shape[1:], 100)


def test_a_comment_is_stored_in_the_file(tmp_path, pixels):
    assert datasets.read_comment(write(tmp_path / "a.npz", pixels)) == b"how it was made"
    np.savez(tmp_path / "b.npz", pixels)
    assert datasets.read_comment(tmp_path / "b.npz") == datasets.read_comment(tmp_path / "none.npz") == b""


def test_wrong_rows_are_refused(tmp_path, pixels):
    with row_writer.RowWriter(tmp_path / "a", (5, 4, 3)) as writer:
        for wrong in (pixels.astype("f4"), pixels[..., :1]):
            with pytest.raises(ValueError, match="rows are uint8"):
                writer.write(wrong)


def test_stored_arrays_are_mapped_and_compressed_ones_are_read(tmp_path, pixels):
    ours = write(tmp_path / "ours.npz", pixels)
    np.savez(tmp_path / "stored.npz", pixels)
    np.savez_compressed(tmp_path / "compressed.npz", pixels)
    np.savez(tmp_path / "fortran.npz", np.asfortranarray(pixels))
    for path, mapped in ((ours, True), ("stored.npz", True), ("compressed.npz", False), ("fortran.npz", True)):
        name, array = datasets.open_array(tmp_path / path)
        assert name == "arr_0" and isinstance(array, np.memmap) == mapped
        np.testing.assert_array_equal(array, pixels)
    assert datasets.open_array(ours)[1].offset % 64 == 0


def test_x_train_or_any_single_array_is_found(tmp_path, pixels):
    np.savez(tmp_path / "keras.npz", x_test=pixels[:1], x_train=pixels, y_train=np.zeros(7))
    np.savez(tmp_path / "single.npz", faces=pixels[..., 0])
    assert datasets.open_array(tmp_path / "keras.npz")[0] == "x_train"
    assert datasets.open_pixels(tmp_path / "single.npz").shape == (7, 5, 4, 1)
    np.savez(tmp_path / "several.npz", a=pixels, b=pixels)
    with pytest.raises(ValueError, match="holds a, b"):
        datasets.open_array(tmp_path / "several.npz")


def test_each_damage_is_one_line(tmp_path, pixels):
    np.savez_compressed(tmp_path / "good.npz", np.arange(100_000) % 251)
    good = write(tmp_path / "stored.npz", pixels).read_bytes()
    compressed = (tmp_path / "good.npz").read_bytes()
    damaged = {
        "empty": b"",
        "text": b"this is no zip\n" * 9,
        "cut": good[: len(good) // 2],
        "flipped": compressed[:400] + bytes(200) + compressed[600:],
        "header": good.replace(b"'shape'", b"'shade'"),
        "negative": good.replace(b"(7, 5", b"(-7,5"),
        "larger": good.replace(b"(7, 5, 4, 3)", b"(7, 5,94, 3)"),
        "member": good.replace(b"\x93NUMPY", b"\x93NUMBY"),
    }
    for name, content in damaged.items():
        path = tmp_path / f"{name}.npz"
        path.write_bytes(content)
        with pytest.raises(ValueError, match=name) as error:
            datasets.open_array(path)
        assert "\n" not in str(error.value)
    with pytest.raises(ValueError, match="cannot be read"):
        datasets.open_array(tmp_path / "missing.npz")


def test_a_pickle_is_refused_and_never_run(tmp_path):
    class Trap:
        def __reduce__(self):
            return (tmp_path.joinpath("ran").touch, ())

    np.savez(tmp_path / "objects.npz", np.array([Trap(), 1], dtype=object))
    with pytest.raises(ValueError, match="pickled objects"):
        datasets.open_array(tmp_path / "objects.npz")
    (tmp_path / "pickle.npz").write_bytes(pickle.dumps([1]))
    with pytest.raises(ValueError, match="not a complete"):
        datasets.open_array(tmp_path / "pickle.npz")
    assert not (tmp_path / "ran").exists()


def test_pixels_of_another_type_or_shape_are_refused(tmp_path, pixels):
    for wrong in (pixels / 255, pixels[0, 0], np.concatenate([pixels, pixels], -1)):
        np.savez(tmp_path / "wrong.npz", wrong)
        with pytest.raises(ValueError, match="not "):
            datasets.open_pixels(tmp_path / "wrong.npz")
