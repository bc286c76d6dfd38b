"""Data sets are opened as pixels, whoever wrote them, or refused in one line."""

import time
import zipfile

from facegan.common import datasets
from facegan.preparing import settings

import numpy as np
import pytest
import tiny


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("name", ["arr_0", "x_train"])
def test_stored_and_compressed_files_of_either_name_give_the_same_pixels(tmp_path, save, name):
    save(tmp_path / "set.npz", **{name: tiny.blobs(5)})
    pixels, _ = datasets.load_images(tmp_path / "set.npz")
    np.testing.assert_array_equal(pixels, tiny.blobs(5))


def test_three_dimensional_arrays_are_grey(tmp_path):
    np.savez(tmp_path / "set.npz", tiny.blobs(5)[..., 0])
    assert datasets.load_images(tmp_path / "set.npz")[0].shape == (5, 16, 16, 1)


def test_the_fingerprint_changes_with_a_single_pixel(tmp_path):
    pixels = tiny.blobs(5)
    np.savez(tmp_path / "one.npz", pixels)
    pixels[4, 3, 2, 1] ^= 1
    np.savez(tmp_path / "other.npz", pixels)
    first, second = (datasets.load_images(tmp_path / name)[1] for name in ("one.npz", "other.npz"))
    assert first != second
    assert first.startswith("5x16x16x3-")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "no such file"),
        (b"", "npz"),
        (b"not a zip at all", "npz"),
        (np.zeros((3, 8, 8, 3), "float32"), "float32"),
        (np.zeros((3, 8), "uint8"), "shape"),
    ],
)
def test_what_is_not_a_data_set_is_refused_in_one_line_that_names_it(tmp_path, content, words):
    path = tmp_path / "set.npz"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        np.savez(path, content)
    with pytest.raises(ValueError, match=words) as error:
        datasets.load_images(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_download_without_network_says_what_to_do_instead(monkeypatch):
    import keras

    def fail():
        raise Exception("URL fetch failure on https://example.invalid: unreachable")

    monkeypatch.setattr(keras.datasets.mnist, "load_data", fail)
    with pytest.raises(ValueError, match=r"^mnist: its download failed .*give a \.npz"):
        datasets.load_images("mnist")


def test_named_data_sets_come_from_keras_with_a_channel(monkeypatch):
    import keras

    digits = np.arange(2 * 28 * 28, dtype=np.uint32).reshape(2, 28, 28).astype(np.uint8)
    monkeypatch.setattr(keras.datasets.mnist, "load_data", lambda: ((digits, None), (digits, None)))
    pixels, fingerprint = datasets.load_images("mnist")
    assert pixels.shape == (2, 28, 28, 1)
    assert fingerprint.startswith("2x28x28x1-")


def save_shards(folder, pixels, sizes):
    """Write the rows of pixels as shards of these sizes, as prepare_faces.py does; their paths."""
    paths, start = [], 0
    for number, size in enumerate(sizes, start=1):
        paths.append(folder / f"part-{number}.npz")
        np.savez(paths[-1], pixels[start : start + size])
        with zipfile.ZipFile(paths[-1], "a") as archive:
            archive.comment = settings.write_settings(settings.Settings(align=True), (number, len(sizes)))
        start += size
    return paths


def test_several_files_are_one_data_set_mapped_in_their_order(tmp_path):
    pixels = tiny.blobs(30)
    paths = save_shards(tmp_path, pixels, (2, 0, 4, 3, 3, 3, 3, 3, 3, 3, 3))
    by_name = sorted(paths, key=str)
    assert by_name != paths  # part-10.npz comes before part-2.npz
    found, fingerprint = datasets.load_images(by_name)
    assert found.shape == pixels.shape and len(found) == 30 and fingerprint.startswith("30x16x16x3-")
    assert all(isinstance(part, np.memmap) for part in found.arrays if len(part))
    chosen = np.array([29, 0, 1, 2, 2, 17])
    np.testing.assert_array_equal(found[chosen], pixels[chosen])
    np.testing.assert_array_equal(found[1:8:3], pixels[1:8:3])
    np.testing.assert_array_equal(found[7], pixels[7])


def test_files_that_are_not_shards_keep_the_order_given(tmp_path):
    for name in "ba":
        np.savez(tmp_path / f"{name}.npz", tiny.blobs(2, seed=ord(name)))
    found, _ = datasets.load_images([tmp_path / "b.npz", tmp_path / "a.npz"])
    np.testing.assert_array_equal(found[:], [*tiny.blobs(2, seed=ord("b")), *tiny.blobs(2, seed=ord("a"))])


def test_several_files_share_a_record_only_if_they_were_prepared_alike(tmp_path):
    paths = save_shards(tmp_path, tiny.blobs(4), (2, 2))
    assert datasets.shared_record(paths)["align"] and "shard" not in datasets.shared_record(paths)
    np.savez(tmp_path / "other.npz", tiny.blobs(2))
    assert datasets.shared_record([*paths, tmp_path / "other.npz"]) == {}


def test_files_that_do_not_go_together_are_refused_by_name(tmp_path):
    np.savez(tmp_path / "a.npz", tiny.blobs(2))
    np.savez(tmp_path / "b.npz", tiny.blobs(2, shape=(8, 16, 3)))
    np.savez(tmp_path / "empty.npz", tiny.blobs(2)[:0])
    with pytest.raises(ValueError, match=r"b\.npz: its images are 8x16x3, those of .*a\.npz 16x16x3"):
        datasets.load_images([tmp_path / "a.npz", tmp_path / "b.npz"])
    with pytest.raises(ValueError, match=r"a\.npz: is named twice"):
        datasets.load_images([tmp_path / "a.npz", tmp_path / "a.npz"])
    with pytest.raises(ValueError, match=r"mnist: no such file"):
        datasets.load_images([tmp_path / "a.npz", "mnist"])
    with pytest.raises(ValueError, match=r"with n 1 or more"):
        datasets.load_images(tmp_path / "empty.npz")


def test_arrays_are_the_same_bytes_at_any_time_even_where_the_clock_is_wrong(monkeypatch, tmp_path):
    written = []
    for now in (1.8e9, 0.0):
        monkeypatch.setattr(time, "time", lambda now=now: now)
        with (tmp_path / "a.npz").open("wb") as file:
            datasets.save_arrays(file, arr_0=np.arange(6.0), note=np.array("text"))
        written.append((tmp_path / "a.npz").read_bytes())
    assert written[0] == written[1]
    with np.load(tmp_path / "a.npz") as arrays:
        assert arrays["arr_0"].tolist() == [0, 1, 2, 3, 4, 5] and str(arrays["note"]) == "text"
    with pytest.raises(ValueError), (tmp_path / "b.npz").open("wb") as file:
        datasets.save_arrays(file, arr_0=np.array([{}], object))
