"""interpolate.py: what it draws, what it writes, what it refuses."""

import importlib.util

import interpolate
from facegan.common import generators, images, latents

import drawing
import numpy as np
import pytest
from PIL import Image, ImageSequence

CELL = 100  # a 16x16 image enlarged to 96, and the gap


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return drawing.save_generator(tmp_path_factory.mktemp("model") / "generator_model_010.h5")


def drawn(monkeypatch, model, out, *arguments):
    """The picture that a run writes, after checking that it wrote nothing else."""
    assert drawing.run(monkeypatch, interpolate, model, *arguments, "--out", out) is None
    assert drawing.files_in(out.parent) == [out.name]
    with Image.open(out) as picture:
        return np.asarray(picture.convert("RGB"))


def tile(sheet, row, column):
    """An image of a strip without captions, by its place."""
    height = CELL + images.LABEL_SIZE + 4
    top, left = images.GAP + row * height, images.GAP + column * CELL
    return sheet[top : top + 96, left : left + 96]


def face(model, number):
    """A face as the strips show it."""
    generator = generators.load_generator(model)
    pixels = generator.draw(latents.latents_of_faces([number], generator.latent_dim))[0]
    return np.asarray(images.picture(pixels).resize((96, 96), Image.Resampling.BICUBIC))


def test_a_strip_has_the_steps_asked_for_including_both_ends(monkeypatch, tmp_path, model):
    sheet = drawn(monkeypatch, model, tmp_path / "path.png", "--faces", "3,17", "--steps", 5)
    assert sheet.shape[1] == 5 * CELL + images.GAP
    np.testing.assert_array_equal(tile(sheet, 0, 0), face(model, 3))
    np.testing.assert_array_equal(tile(sheet, 0, 4), face(model, 17))


def test_each_leg_is_a_row_and_a_stop_shared_by_two_is_drawn_once(monkeypatch, tmp_path, model):
    sheet = drawn(monkeypatch, model, tmp_path / "path.png", "--faces", "3,17,42", "--steps", 4)
    np.testing.assert_array_equal(tile(sheet, 0, 3), face(model, 17))
    assert tile(sheet, 1, 0).min() == 255
    np.testing.assert_array_equal(tile(sheet, 1, 3), face(model, 42))


def test_both_methods_are_drawn_with_the_length_of_the_latents(monkeypatch, tmp_path, model):
    one = drawn(monkeypatch, model, tmp_path / "one" / "path.png", "--faces", "3,17", "--method", "lerp")
    both = drawn(monkeypatch, model, tmp_path / "both" / "path.png", "--faces", "3,17", "--method", "both")
    assert both.shape[0] > 2 * one.shape[0] + 150


def test_pairs_are_consecutive_faces_or_counted_up_from_two(monkeypatch, tmp_path, model):
    by_default = drawn(monkeypatch, model, tmp_path / "a" / "pairs.png", "--pairs", 3, "--steps", 3)
    listed = drawn(monkeypatch, model, tmp_path / "b" / "pairs.png", "--pairs", 3, "--faces", "1-6", "--steps", 3)
    np.testing.assert_array_equal(by_default, listed)
    second = listed[len(listed) // 3 :]
    np.testing.assert_array_equal(tile(second, 0, 0), face(model, 3))
    np.testing.assert_array_equal(tile(second, 0, 2), face(model, 4))
    counted = drawn(monkeypatch, model, tmp_path / "c" / "pairs.png", "--pairs", 2, "--faces", "3,17", "--steps", 3)
    assert counted.shape[0] * 3 == listed.shape[0] * 2


def test_a_square_has_its_faces_in_its_corners(monkeypatch, tmp_path, model):
    options = ["--faces", "1,2,3,4", "--square", "--steps", 4]
    sheet = drawn(monkeypatch, model, tmp_path / "square.png", *options)
    sheet = sheet[-(4 * (CELL + images.LABEL_SIZE + 4) + images.GAP) :]  # without the caption
    for (row, column), number in zip([(0, 0), (0, 3), (3, 0), (3, 3)], [1, 2, 3, 4], strict=True):
        np.testing.assert_array_equal(tile(sheet, row, column), face(model, number))


@pytest.mark.parametrize(("options", "frames"), [([], 19), (["--loop"], 27), (["--method", "both"], 19)])
def test_an_animation_shows_each_step_for_as_long_as_asked(monkeypatch, tmp_path, model, options, frames):
    for suffix in ("gif", "webp"):
        out = tmp_path / suffix / f"walk.{suffix}"
        drawn(monkeypatch, model, out, "--faces", "3,17,42", "--milliseconds", 50, *options)
        with Image.open(out) as walk:
            # WebP shows one frame for longer where the next looks the same, and says for how long once it is decoded.
            shown = [(frame.load(), frame.info["duration"])[1] for frame in ImageSequence.Iterator(walk)]
        assert sum(shown) == 50 * frames
        assert b"command: python interpolate.py" in out.read_bytes()


def test_an_mp4_is_written_where_ffmpeg_is_installed(monkeypatch, tmp_path, model):
    pytest.importorskip("imageio_ffmpeg")
    out = tmp_path / "walk.MP4"
    assert drawing.run(monkeypatch, interpolate, model, "--faces", "3,17", "--steps", 4, "--out", out) is None
    assert drawing.files_in(tmp_path) == ["walk.MP4"]
    about, video = drawing.decoded(out)
    assert "Duration: 00:00:00.32" in about and "command: python interpolate.py" in about
    assert len(video) == 4 * 104 * 104 * 3


def test_without_ffmpeg_an_mp4_is_refused_before_drawing_in_one_line_that_says_how_to_install_it(
    monkeypatch, capsys, tmp_path, model
):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(generators, "load_generator", None)
    line = drawing.refusal(monkeypatch, capsys, interpolate, model, "--faces", "3,17", "--out", tmp_path / "a.mp4")
    assert "--out" in line and line.endswith("pip install imageio-ffmpeg\n")
    assert drawing.files_in(tmp_path) == []


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--out", "a.png"], "--faces"),
        (["--out", "a.png", "--faces", "3"], "--faces"),
        (["--faces", "3,17"], "--out"),
        (["--out", "a.jpg", "--faces", "3,17"], "--out"),
        (["--out", "a.png", "--faces", "3,17", "--steps", "1"], "--steps"),
        (["--out", "a.png", "--faces", "3,17", "--method", "straight"], "--method"),
        (["--out", "a.png", "--faces", "3,17,4", "--pairs", "2"], "--pairs"),
        (["--out", "a.png", "--faces", "1,4294967295", "--pairs", "2"], "--pairs 2: counts up beyond face 4294967295"),
        (["--out", "a.png", "--faces", "1-3", "--square"], "--faces"),
        (["--out", "a.png", "--faces", "1-4", "--square", "--loop"], "--square"),
        (["--out", "a.png", "--faces", "1,4", "--latents", "three.npz"], "--latents three.npz: has no row 4"),
        (["--out", "a.GIF", "--faces", "1-4", "--square"], "--square"),
        (["--out", "a.png", "--faces", "3,17", "--steps", "1000"], "--steps: 1,000 images would make a picture of"),
    ],
)
def test_a_wrong_argument_is_one_line_that_names_it(monkeypatch, capsys, tmp_path, model, arguments, named):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(images, "LARGEST_AREA", 500_000)
    np.savez("three.npz", np.zeros((3, drawing.LATENT_DIM)))
    assert named in drawing.refusal(monkeypatch, capsys, interpolate, model, *arguments)
    assert drawing.files_in(tmp_path) == ["three.npz"]


def test_each_method_draws_its_own_path(monkeypatch, tmp_path, model):
    generator = generators.load_generator(model)
    ends = latents.latents_of_faces([3, 17], generator.latent_dim)
    for method, between in latents.METHODS.items():
        options = ["--faces", "3,17", "--steps", 3, "--method", method]
        sheet = drawn(monkeypatch, model, tmp_path / method / "path.png", *options)
        middle = images.picture(generator.draw(between(*ends, [0.5]))[0]).resize((96, 96), Image.Resampling.BICUBIC)
        np.testing.assert_array_equal(tile(sheet, 0, 1), np.asarray(middle))
    both = drawn(
        monkeypatch, model, tmp_path / "both" / "path.png", "--faces", "3,17", "--steps", 3, "--method", "both"
    )
    caption = images.CAPTION_SIZE + 12
    strips = both[caption:], both[2 * caption + CELL + images.LABEL_SIZE + 4 + images.GAP :]
    for strip, method in zip(strips, ("lerp", "slerp"), strict=True):
        with Image.open(tmp_path / method / "path.png") as alone:
            np.testing.assert_array_equal(tile(strip, 0, 1), tile(np.asarray(alone), 0, 1))
