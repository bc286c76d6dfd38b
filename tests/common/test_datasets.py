"""Data sets are opened as pixels, whoever wrote them, or refused in one line."""

from facegan.common import datasets

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
