"""Pixel ranges and pictures."""

from facegan.common import cli, images

import drawing
import numpy as np
import pytest
from PIL import Image

ALL_VALUES = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)


@pytest.mark.parametrize(("pixel_range", "low", "high"), [("tanh", -1, 1), ("sigmoid", 0, 1)])
def test_pixels_fill_the_range_and_come_back_unchanged(pixel_range, low, high):
    scaled = images.to_images(ALL_VALUES, pixel_range)
    assert scaled.dtype == np.float32
    assert (scaled.min(), scaled.max()) == (low, high)
    np.testing.assert_array_equal(images.to_pixels(scaled, pixel_range), ALL_VALUES)


def test_to_pixels_rounds_and_clips():
    drawn = np.array([-2, -1, -0.999, 0.0, 1, 5], np.float32)
    assert images.to_pixels(drawn, "tanh").tolist() == [0, 0, 0, 128, 255, 255]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_and_infinity_are_no_pixels(value):
    with pytest.raises(cli.NotFiniteError, match="its training failed"):
        images.to_pixels(np.array([0, value], np.float32), "tanh")


def test_an_unknown_range_is_refused():
    with pytest.raises(ValueError, match="relu"):
        images.to_pixels(np.zeros(3), "relu")


@pytest.mark.parametrize("shape", [(32, 32, 3), (28, 28, 1), (96, 80, 3), (20, 120, 1), (200, 160, 3)])
def test_a_grid_shows_every_image_at_a_whole_multiple_of_its_size(shape):
    pixels = np.empty((7, *shape), np.uint8)
    pixels[:] = np.arange(7).reshape(7, 1, 1, 1) * 30
    sheet = images.grid(pixels, columns=4, numbers=range(1, 8))
    cells = images.layout(7, *shape[:2], columns=4)
    assert min(shape[:2]) * cells.scale >= images.TILE_SIDE
    assert sheet.size == (4 * cells.cell_width + images.GAP, 2 * cells.cell_height + images.GAP)
    for k in range(7):
        centre = (
            images.GAP + k % 4 * cells.cell_width + shape[1] * cells.scale // 2,
            images.GAP + k // 4 * cells.cell_height + shape[0] * cells.scale // 2,
        )
        assert sheet.getpixel(centre) == (30 * k,) * 3


def test_numbers_are_drawn_under_their_images():
    pixels = np.full((2, 32, 32, 3), 255, np.uint8)
    plain = np.asarray(images.grid(pixels))
    one = np.asarray(images.grid(pixels, 2, ["", "4294967295"]))
    assert plain.min() == 255
    rows, columns = (one.min(axis=-1) < 128).nonzero()
    assert rows.min() > 96 and columns.min() > 96 + images.GAP
    assert columns.max() < one.shape[1]


def test_a_picture_too_large_for_memory_is_refused():
    assert images.layout(2500, 32, 32).scale == 3
    assert images.layout(20_000, 32, 32).scale == 1
    with pytest.raises(ValueError, match="draw fewer"):
        images.layout(100_000, 80, 80)


def test_stacked_pictures_keep_their_size_and_captions_fit():
    parts = [Image.new("RGB", (50, 20), "red"), Image.new("RGB", (80, 30), "blue")]
    plain = images.stack(parts)
    assert plain.size == (80, 50)
    assert plain.getpixel((70, 10)) == (255, 255, 255) and plain.getpixel((70, 40)) == (0, 0, 255)
    assert images.stack(parts, ["", "a caption wider than both of the pictures"]).width > 200
    assert images.beside(parts).size == (130, 30)


FRAMES = [Image.new("RGB", (31, 21), (40 * k, 0, 0)) for k in range(5)]


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_an_animation_has_all_frames_repeats_and_says_how_it_was_made(tmp_path, suffix):
    images.save_animation(FRAMES, tmp_path / f"walk{suffix}", 50, "how it was made: − and +")
    with Image.open(tmp_path / f"walk{suffix}") as walk:
        assert walk.n_frames == 5 and walk.info["loop"] == 0
        walk.seek(3)
        walk.load()
        assert abs(walk.convert("RGB").getpixel((5, 5))[0] - 120) < 4 and walk.info["duration"] == 50
    assert "how it was made: − and +".encode() in (tmp_path / f"walk{suffix}").read_bytes()


def test_an_mp4_has_all_frames_for_as_long_as_asked_and_says_how_it_was_made(tmp_path):
    pytest.importorskip("imageio_ffmpeg")
    images.save_animation(FRAMES, tmp_path / "walk.mp4", 50, "how it was made: − and +")
    about, video = drawing.decoded(tmp_path / "walk.mp4")
    assert "h264" in about and "yuv420p" in about and " 20 fps" in about and "32x22" in about
    assert "how it was made: − and +" in about
    frames = np.frombuffer(video, np.uint8).reshape(-1, 22, 32, 3)
    assert len(frames) == 5 and abs(int(frames[3, 5, 5, 0]) - 120) < 6
    with pytest.raises(OSError, match="ffmpeg: "):
        images.save_animation(FRAMES, tmp_path / "missing" / "walk.mp4")
