"""The stream of batches: every image once a pass, and any step's batch without those before it."""

import numpy
import pytest
import tiny

from facegan import commands, data


def numbered(count):
    """Images that carry their row's number in every pixel."""
    return numpy.broadcast_to(numpy.arange(count, dtype=numpy.uint8)[:, None, None, None], (count, 4, 4, 1))


def make(rows, batch_size=4, seed=1, **options):
    options = {"halved": False, "latent_dim": 6, **options}
    return data.Batches(numbered(100), rows, batch_size, seed=seed, **options)


def drawn(batches, steps):
    return numpy.concatenate([batches.at(step)[0][:, 0, 0, 0] for step in range(steps)])


def test_every_pass_shows_every_row_once_in_a_fresh_order_although_batches_span_passes():
    seen = drawn(make(range(10, 20)), 10)
    passes = seen.reshape(4, 10)
    assert all(sorted(one) == list(range(10, 20)) for one in passes)
    assert len({tuple(one) for one in passes}) == 4


def test_a_halved_batch_takes_half_as_many_real_images_and_goes_as_slowly_through_them():
    batches = make(range(8), batch_size=8, halved=True)
    real, g_latents, d_latents = batches.at(0)
    assert (real.shape, d_latents.shape, g_latents.shape) == ((4, 4, 4, 1), (4, 6), (8, 6))
    assert sorted(drawn(batches, 2)) == list(range(8))


def test_the_batch_of_a_step_does_not_depend_on_the_steps_before():
    whole = [batch for _, batch in zip(range(9), make(range(10)).from_step(0), strict=False)]
    resumed = next(make(range(10)).from_step(8))
    for one, other in zip(whole[8], resumed, strict=True):
        numpy.testing.assert_array_equal(one, other)


def test_seeds_and_restarts_give_other_batches():
    first = make(range(10), seed=1).at(0)[1]
    other = make(range(10), seed=2).at(0)[1]
    restarted = make(range(10), seed=1)
    restarted.reseed(1, restarts=1)
    assert not numpy.array_equal(first, other)
    assert not numpy.array_equal(first, restarted.at(0)[1])
    assert not numpy.array_equal(other, restarted.at(0)[1])


def test_latents_are_normal_or_uniform_and_shared_on_request():
    normal = make(range(50), batch_size=50).at(0)[1]
    _, uniform = make(range(50), batch_size=50, latents="uniform", shared_latents=True).at(0)
    assert abs(normal.std() - 1.0) < 0.1
    assert uniform.shape == normal.shape
    assert uniform.min() < -0.9
    assert uniform.max() < 1.0


def test_held_out_rows_are_the_share_asked_for_and_never_trained_on():
    rows, held_out = data.split_rows(50, 0.1, seed=3)
    assert len(held_out) == 5
    assert sorted([*rows, *held_out]) == list(range(50))
    assert not numpy.array_equal(held_out, data.split_rows(50, 0.1, seed=4)[1])


@pytest.mark.parametrize("save", [numpy.savez, numpy.savez_compressed])
@pytest.mark.parametrize("name", ["arr_0", "x_train"])
def test_stored_and_compressed_files_of_either_name_give_the_same_pixels(tmp_path, save, name):
    save(tmp_path / "set.npz", **{name: tiny.blobs(5)})
    pixels, _ = data.load_images(tmp_path / "set.npz")
    numpy.testing.assert_array_equal(pixels, tiny.blobs(5))


def test_three_dimensional_arrays_are_grey(tmp_path):
    numpy.savez(tmp_path / "set.npz", tiny.blobs(5)[..., 0])
    assert data.load_images(tmp_path / "set.npz")[0].shape == (5, 16, 16, 1)


def test_the_fingerprint_changes_with_a_single_pixel(tmp_path):
    pixels = tiny.blobs(5)
    numpy.savez(tmp_path / "one.npz", pixels)
    pixels[4, 3, 2, 1] ^= 1
    numpy.savez(tmp_path / "other.npz", pixels)
    first, second = (data.load_images(tmp_path / name)[1] for name in ("one.npz", "other.npz"))
    assert first != second
    assert first.startswith("5x16x16x3-")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "no such file"),
        (b"", "npz"),
        (b"not a zip at all", "npz"),
        (numpy.zeros((3, 8, 8, 3), "float32"), "float32"),
        (numpy.zeros((3, 8), "uint8"), "shape"),
    ],
)
def test_what_is_no_data_set_is_refused_in_one_line_that_names_it(tmp_path, content, words):
    path = tmp_path / "set.npz"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        numpy.savez(path, content)
    with pytest.raises(commands.UserError, match=words) as error:
        data.load_images(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_download_without_network_says_what_to_do_instead(monkeypatch):
    import keras

    def fail():
        raise Exception("URL fetch failure on https://example.invalid: unreachable")

    monkeypatch.setattr(keras.datasets.mnist, "load_data", fail)
    with pytest.raises(commands.UserError, match=r"DATA mnist: its download failed .*give a \.npz"):
        data.load_images("mnist")


def test_named_data_sets_come_from_keras_with_a_channel(monkeypatch):
    import keras

    digits = numpy.arange(2 * 28 * 28, dtype=numpy.uint32).reshape(2, 28, 28).astype(numpy.uint8)
    monkeypatch.setattr(keras.datasets.mnist, "load_data", lambda: ((digits, None), (digits, None)))
    pixels, fingerprint = data.load_images("mnist")
    assert pixels.shape == (2, 28, 28, 1)
    assert fingerprint.startswith("2x28x28x1-")
