"""evaluate.py as users run it: the files it writes, the order of its table, and the mistakes it catches."""

import csv
import dataclasses
import json
import shutil
import sys

import evaluate
from facegan.common import datasets, generators
from facegan.common.cli import UserError
from facegan.metrics import quality, report
from facegan.training import logs

import numpy as np
import pytest
from PIL import Image
from portraits import portraits

SIDE = 8

# Keras saves .h5 with a call that numpy is about to change.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def save_generator(path, deviation, channels=3):
    """A generator of random coloured squares; the `deviation` of its weights decides how varied they are."""
    import keras

    unmixed = np.eye(channels)[None, None]
    model = keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.Dense(
                SIDE * SIDE * channels, kernel_initializer=keras.initializers.RandomNormal(0, deviation, 1)
            ),
            keras.layers.Reshape((SIDE, SIDE, channels)),
            keras.layers.Conv2D(
                channels, 1, activation="tanh", kernel_initializer=keras.initializers.Constant(unmixed)
            ),
        ]
    )
    generators.save_model(model, path, {"latent_prior": "normal"})


@pytest.fixture
def run(tmp_path):
    """A run folder with three checkpoints, and data like what the second one draws."""
    folder = tmp_path / "run"
    folder.mkdir()
    for number, deviation in (("001", 0.02), ("002", 0.2), ("010", 2.0)):
        save_generator(folder / f"generator_model_{number}.h5", deviation)
    second = generators.load_generator(folder / "generator_model_002.h5")
    np.savez(tmp_path / "squares.npz", second.draw(second.latents_of(range(1001, 1301))))
    config = {"data": str(tmp_path / "squares.npz"), "held_out_rows": [3, 5, 7]}
    config["fingerprint"] = datasets.load_images(config["data"])[1]
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def evaluated(monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, "argv", ["evaluate.py", *map(str, arguments)])
    evaluate.main()
    return capsys.readouterr().out


def files_in(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_a_run_is_measured_by_all_its_checkpoints_best_first(run, tmp_path, monkeypatch, capsys):
    before = files_in(tmp_path)
    monkeypatch.chdir(tmp_path)
    text = evaluated(monkeypatch, capsys, run, "--count", 64, "--out", "report")
    order = [line.split()[0] for line in text.splitlines() if line.startswith("generator_model")]
    assert order[0] == "generator_model_002.h5"
    assert sorted(order) == ["generator_model_001.h5", "generator_model_002.h5", "generator_model_010.h5"]
    assert "not faces; compared by their pixels" in text
    assert files_in(tmp_path) - before == {"report/quality.csv", "report/quality.png", "report/neighbours.png"}
    with (tmp_path / "report" / "quality.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    times_real = [float(row["times_real"]) for row in rows]
    assert times_real[:3] == sorted(times_real[:3])
    assert rows[-1]["generator"] == "real images"
    assert times_real[-1] == pytest.approx(1, abs=0.5)
    for name in ("quality.png", "neighbours.png"):
        Image.open(tmp_path / "report" / name).verify()


def test_among_several_models_a_run_stands_for_its_best(run, tmp_path, monkeypatch, capsys):
    (run / "generator_model_002.h5").rename(run / "generator_best.h5")
    save_generator(tmp_path / "other.h5", 0.2)
    before = files_in(tmp_path)
    monkeypatch.chdir(tmp_path)
    text = evaluated(monkeypatch, capsys, run, "other.h5", "--data", "squares.npz", "--count", 64, "--out", "report")
    assert text.count("run/generator_best.h5") == 1
    assert "generator_model_" not in text
    assert files_in(tmp_path) - before == {"report/quality.csv", "report/neighbours.png"}


def test_several_files_are_measured_as_the_merged_one(run, tmp_path, monkeypatch, capsys):
    for name, rows in zip("ab", np.split(datasets.open_pixels(tmp_path / "squares.npz"), [100]), strict=True):
        np.savez(tmp_path / f"{name}.npz", rows)
    save_generator(tmp_path / "other.h5", 0.2)
    monkeypatch.chdir(tmp_path)
    merged, parts = (
        evaluated(monkeypatch, capsys, "other.h5", "--count", 64, "--data", *names)
        for names in (["squares.npz"], ["a.npz", "b.npz"])
    )
    assert "the images of a.npz b.npz are not faces" in parts
    assert merged.splitlines()[1:] == parts.splitlines()[1:]


def test_a_damaged_checkpoint_of_a_run_is_left_out_with_a_message(run, tmp_path, monkeypatch, capsys):
    whole = (run / "generator_model_001.h5").read_bytes()
    (run / "generator_model_001.h5").write_bytes(whole[: len(whole) // 2])
    monkeypatch.setattr(sys, "argv", ["evaluate.py", str(run), "--count", "64"])
    evaluate.main()
    shown = capsys.readouterr()
    assert "left out: MODEL" in shown.err
    assert "generator_model_001.h5" not in shown.out
    assert "generator_model_010.h5" in shown.out
    for name in ("002", "010"):
        (run / f"generator_model_{name}.h5").write_bytes(whole[:100])
    with pytest.raises(UserError, match="generator_model_010"):
        evaluate.main()


def test_faces_are_measured_by_the_detector_and_their_features_kept_beside_the_data(tmp_path, monkeypatch, capsys):
    np.savez(tmp_path / "faces.npz", portraits(40, side=SIDE * 5))
    save_generator(tmp_path / "generator.h5", 0.2)
    monkeypatch.chdir(tmp_path)
    command = ("generator.h5", "--data", "faces.npz", "--count", 64)
    first = evaluated(monkeypatch, capsys, *command)
    assert files_in(tmp_path) == {"faces.npz", "generator.h5", "faces.features.npz"}
    assert "draws 8x8, the data are 40x40" in first
    computed = []

    def counted(pixels, compute=quality.FACES.compute):
        computed.append(len(pixels))
        return compute(pixels)

    monkeypatch.setattr(quality, "FACES", dataclasses.replace(quality.FACES, compute=counted))
    assert evaluated(monkeypatch, capsys, *command) == first
    assert sum(computed) == 2 * 64, "only for generated faces: to measure them, and to find their neighbours"


def test_copies_of_training_images_are_detected():
    pixels = np.random.default_rng(0).integers(0, 256, (3000, 4, 4, 1), dtype=np.uint8)
    held_out = np.arange(0, 3000, 2)
    metric = quality.QualityMetric(pixels, held_out, 100)
    copied = report.Neighbours(pixels[1:200:2], metric, held_out)
    assert copied.novelty < 0.01
    np.testing.assert_array_equal(copied.rows[:, 0], np.arange(1, 200, 2))
    new = np.random.default_rng(1).integers(0, 256, (100, 4, 4, 1), dtype=np.uint8)
    assert report.Neighbours(new, metric, held_out).novelty == pytest.approx(1, abs=0.05)


def test_only_rows_that_no_run_trained_on_count_as_held_out():
    pixels = np.zeros((10, 4, 4, 1), np.uint8)
    configs = [{"fingerprint": "a", "held_out_rows": rows} for rows in ([1, 2, 3], [2, 3, 4])]
    assert evaluate.held_out_rows(configs, pixels, "a").tolist() == [2, 3]
    assert evaluate.held_out_rows([*configs, {}], pixels, "a").tolist() == []
    assert evaluate.held_out_rows(configs, pixels, "b").tolist() == []


def save_discriminator(path, activation, **notes):
    """One that takes images for real that are brighter than grey."""
    import keras

    mean = keras.layers.Dense(1, kernel_initializer="ones", bias_initializer=keras.initializers.Constant(-0.1))
    images = keras.Input((SIDE, SIDE, 3))
    model = keras.Model(images, mean(keras.layers.GlobalAveragePooling2D()(images)))
    generators.save_model(model, path, notes, activation)


def test_a_discriminator_is_tested_on_images_it_was_trained_on_on_others_and_on_a_generators(
    tmp_path, monkeypatch, capsys
):
    pixels = np.full((40, SIDE, SIDE, 3), 255, np.uint8)
    pixels[30:] = 0
    monkeypatch.chdir(tmp_path)
    np.savez("squares.npz", pixels)
    (tmp_path / "run").mkdir()
    config = {"data": "squares.npz", "held_out_rows": [*range(25, 40)]}
    config["fingerprint"] = datasets.load_images("squares.npz")[1]
    (tmp_path / "run" / "config.json").write_text(json.dumps(config))
    save_generator(tmp_path / "run" / "generator_model_001.h5", 0.0)  # draws grey
    save_discriminator(tmp_path / "run" / "discriminator_model_001.h5", "sigmoid", loss="bce")
    save_discriminator(tmp_path / "scores.h5", None, loss="hinge")
    save_discriminator(tmp_path / "pairs.h5", None, loss="relativistic")
    command = ("--count", 20, "--data", "squares.npz")
    assert evaluated(monkeypatch, capsys, "run/discriminator_model_001.h5", "--count", 20) == (
        ">Accuracy real: 100% of 20 training images, 33% of 15 images held out, fake: 100% of 20, "
        "drawn by generator_model_001.h5\n"
    )
    assert evaluated(monkeypatch, capsys, "scores.h5", *command, "--count", 40) == (
        ">Accuracy real: 75% of 40 training images\n"
    )
    assert evaluated(monkeypatch, capsys, "pairs.h5", "run/generator_model_001.h5", *command, "--count", 40) == (
        ">Accuracy of pairs: 75% of 40 training images, drawn by generator_model_001.h5\n"
    )
    with pytest.raises(UserError, match=r"MODEL pairs.h5: was trained on pairs of images, so name a generator"):
        evaluated(monkeypatch, capsys, "pairs.h5", *command)
    np.savez("larger.npz", np.zeros((8, 16, 16, 3), np.uint8))
    with pytest.raises(UserError, match=r"--data larger.npz: its images are not of the size that scores.h5 takes"):
        evaluated(monkeypatch, capsys, "scores.h5", "--data", "larger.npz")


def test_the_losses_of_a_run_are_drawn_again_from_its_table(tmp_path, monkeypatch, capsys):
    (tmp_path / "run").mkdir()
    table = logs.Table(tmp_path / "run" / "steps.csv", ("step", *logs.NUMBERS), 0)
    table.add({"step": 1, **dict.fromkeys(logs.NUMBERS, 0.5)})
    before = files_in(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert "written: losses.png" in evaluated(monkeypatch, capsys, "run", "--losses", "losses.png")
    assert files_in(tmp_path) - before == {"losses.png"}
    Image.open(tmp_path / "losses.png").verify()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["alone.h5", "--losses", "l.png"], "MODEL alone.h5: --losses needs one run folder with a steps.csv"),
        (["none.h5"], "MODEL none.h5: no such file"),
        (["broken/alone.h5"], "MODEL broken/alone.h5: the config.json beside it is damaged"),
        (["alone.h5"], "--data: name the .npz of real images"),
        (["alone.h5", "--data", "none.npz"], "--data none.npz: no such file"),
        (["grey.h5", "--data", "squares.npz"], "--data squares.npz: holds colour images, but grey.h5 draws grey ones"),
        (
            ["alone.h5", "--data", "squares.npz", "--features", "classifier"],
            "classifier: squares.npz: holds no y_train",
        ),
        (
            ["alone.h5", "--data", "damaged.npz", "--features", "classifier"],
            "classifier: damaged.npz: its y_train is damaged",
        ),
        (["alone.h5", "--data", "squares.npz", "--out", "alone.h5/report"], "--out alone.h5/report: cannot be written"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_option(run, tmp_path, monkeypatch, capsys, arguments, message):
    save_generator(tmp_path / "alone.h5", 0.2)
    save_generator(tmp_path / "grey.h5", 0.2, channels=1)
    (tmp_path / "broken").mkdir()
    shutil.copy(tmp_path / "alone.h5", tmp_path / "broken")
    (tmp_path / "broken" / "config.json").write_text("{")
    monkeypatch.chdir(tmp_path)
    np.savez("damaged.npz", **np.load("squares.npz"), y_train=np.full(40, 0x77777777, np.int32))
    damaged = tmp_path / "damaged.npz"
    damaged.write_bytes(damaged.read_bytes().replace(b"wwww", b"wwwv", 1))
    with pytest.raises(UserError) as error:
        evaluated(monkeypatch, capsys, *arguments, "--count", 4)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "text", ["[1]", '{"data": 5}', '{"data": [5]}', '{"held_out_rows": "x"}', '{"held_out_rows": {}}']
)
def test_a_damaged_config_beside_a_generator_is_one_line(tmp_path, monkeypatch, capsys, text):
    save_generator(tmp_path / "alone.h5", 0.2)
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(UserError, match=r"the config\.json beside it is damaged"):
        evaluated(monkeypatch, capsys, tmp_path / "alone.h5")
