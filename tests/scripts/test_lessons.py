"""The lessons show what they promise: D learns alone, an untrained G draws noise, the loss by hand, the old trap."""

import ast
import re
import subprocess
import sys
from pathlib import Path

from facegan.common import cli, datasets, images
from facegan.training import presets
from lessons import composite_model_trap, discriminator_alone, plot_dataset, untrained_generator

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
LESSONS = sorted((ROOT / "lessons").glob("*.py"))


def run(monkeypatch, lesson, *arguments):
    monkeypatch.setattr(sys, "argv", [lesson.__name__, *map(str, arguments)])
    lesson.main()


@pytest.fixture
def no_network(monkeypatch):
    def fail(name):
        raise ValueError(f"{name}: its download failed")

    monkeypatch.setattr(datasets, "_download", fail)


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.name)
def test_a_lesson_names_the_rooms_to_copy_with_it(path):
    text = path.read_text(encoding="utf-8")
    (line,) = re.findall(r"^Copy with it: (.+)$", ast.get_docstring(ast.parse(text)), re.MULTILINE)
    rooms = {"common", "preparing", "training", "metrics", "exploring"}
    assert rooms & set(re.findall(r"\w+", line)) == set(re.findall(r"facegan\.(\w+) import", text))


@pytest.mark.parametrize(("data", "batches"), [("cifar10", 20), ("mnist", 50)])
def test_the_discriminator_alone_learns_real_images_against_noise(monkeypatch, capsys, no_network, data, batches):
    run(monkeypatch, discriminator_alone, data, "--batches", batches, "--seed", 7)
    shown = capsys.readouterr()
    assert "replaced by patches of a photograph" in shown.err
    rows = re.findall(r"^batch \d+: accuracy on real images (\d+)%, on noise (\d+)%$", shown.out, re.MULTILINE)
    accuracies = np.array(rows, int).mean(axis=1)
    assert len(accuracies) == batches
    assert accuracies[0] < 90 and accuracies[-5:].mean() >= 95


def test_an_untrained_generator_is_drawn_ten_by_ten_in_grey_and_seven_by_seven_in_colour(monkeypatch, tmp_path, capsys):
    for preset, columns, shape in (("cifar32", 7, (32, 32, 3)), ("mnist28", 10, (28, 28, 1))):
        run(monkeypatch, untrained_generator, "--preset", preset, "--out", tmp_path / "a.png")
        assert f"images {(columns**2, *shape)}, values from " in capsys.readouterr().out
        cells = images.layout(columns**2, *shape[:2], columns, labelled=False)
        with Image.open(tmp_path / "a.png") as picture:
            assert picture.width == columns * cells.cell_width + images.GAP


@pytest.mark.parametrize("name", presets.PRESETS)
def test_an_untrained_generator_draws_grey_noise_in_range(name):
    preset = presets.PRESETS[name]
    drawn = untrained_generator.draw(preset, 4, seed=7)
    assert drawn.shape == (4, *preset.image_shape)
    assert (-1.0 if preset.output == "tanh" else 0.0) < drawn.min() < drawn.max() < 1.0
    pixels = images.to_pixels(drawn, preset.output)
    assert abs(pixels.mean() - 127.5) < 20
    assert (pixels.std(axis=(1, 2, 3)) > 0.2).all()
    assert not (pixels[0] == pixels[1]).all()


def test_cross_entropy_by_hand_is_kerass():
    command = [sys.executable, str(ROOT / "lessons" / "cross_entropy_by_hand.py")]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    # −(ln 0.9 + ln 0.8 + ln 0.7 + ln 0.6 + ln 0.5 + ln 0.6 + ln 0.7 + ln 0.8 + ln 0.9) / 9
    assert "by hand 0.342795, Keras 0.342795" in printed
    # −(ln 0.4 + ln 0.3 + ln 0.2 + ln 0.1) / 4
    assert "by hand 1.508072, Keras 1.508072" in printed
    assert re.search(r"0\.010 +-0\.010 +-0\.990$", printed, re.MULTILINE)


def test_the_composite_model_leaves_the_discriminator_as_it_was_and_a_frozen_copy_trains_it(
    monkeypatch, capsys, tmp_path
):
    np.savez(tmp_path / "grey.npz", datasets.photograph_patches(80, (16, 16, 1)))
    with pytest.warns(UserWarning, match="does not have any trainable weights"):
        run(monkeypatch, composite_model_trap, tmp_path / "grey.npz", "--steps", 2)
    trap, mended = capsys.readouterr().out.split("A frozen copy")
    moved = re.compile(r"([GD])'s weights moved by at most ([\d.]+)")
    for part, d_learns in ((trap, False), (mended, True)):
        changes = {name: float(change) for name, change in moved.findall(part)}
        assert changes["G"] > 0 and (changes["D"] > 0) == d_learns
        assert ("D's weights moved by at most 0.000000: it has learnt NOTHING" in part) != d_learns
        assert len(re.findall(r"^step \d: d_real=[\d.]+ d_generated=[\d.]+ g=[\d.]+$", part, re.MULTILINE)) == 2


def test_a_data_set_is_plotted_as_its_tutorial_plots_it(monkeypatch, tmp_path, capsys):
    colours, grey = (datasets.photograph_patches(60, (16, 16, channels)) for channels in (3, 1))
    for name, pixels, columns in (("colours", colours, 7), ("few", colours[:25], 5), ("grey", grey, 5)):
        np.savez(tmp_path / f"{name}.npz", pixels)
        run(monkeypatch, plot_dataset, tmp_path / f"{name}.npz", "--out", tmp_path / "a.png")
        assert f"images: uint8 {pixels.shape}" in capsys.readouterr().out
        with Image.open(tmp_path / "a.png") as picture:
            assert picture.width == columns * (96 + images.GAP) + images.GAP
            light = np.asarray(picture).mean()
        assert light > 128 if name == "grey" else abs(light - pixels.mean()) < 40


def test_raw_photographs_are_plotted_whole_and_those_that_cannot_be_read_are_named(monkeypatch, tmp_path, capsys):
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (300, 100), "red").save(tmp_path / "photos" / "a.png")
    (tmp_path / "photos" / "b.png").write_bytes(b"nothing")
    run(monkeypatch, plot_dataset, tmp_path / "photos", "--out", tmp_path / "a.png")
    printed = capsys.readouterr().out
    assert "a.png: 300x100 pixels" in printed and "b.png: not a picture" in printed
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.getpixel((84, 84)) == (255, 0, 0) and picture.getpixel((84, 10)) == (255, 255, 255)
    (tmp_path / "photos" / "a.png").unlink()
    with pytest.raises(cli.UserError, match=r"DATA .*: none of its photographs can be read"):
        run(monkeypatch, plot_dataset, tmp_path / "photos", "--out", tmp_path / "a.png")


def test_a_lesson_runs_as_a_command(tmp_path):
    command = [sys.executable, str(ROOT / "lessons" / "plot_dataset.py"), "gone.npz", "--out", "a.png"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 2
    assert result.stderr.startswith("plot_dataset.py: error: DATA gone.npz: no such file") and "\n" in result.stderr
