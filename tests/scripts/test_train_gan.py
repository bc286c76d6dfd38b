"""train_gan.py trains, writes what it says, and refuses bad input in one line."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

from facegan.common import generators, images, model_files
from facegan.training import batches, logs

import numpy as np
import pytest
import tiny
from PIL import Image
from short_runs import FAST, arrays, assert_same_run, train

EVERY_RUN = {
    *("config.json", "log.csv", "steps.csv", "losses.png", "progress.gif", "real.png", "tensorboard"),
    *("state.npz", "state_previous.npz", "state_oldest.npz"),
}


def test_a_run_writes_exactly_the_files_that_its_help_lists(monkeypatch, tmp_path, dataset):
    out = tmp_path / "run"
    assert train(monkeypatch, dataset, out) == 0
    numbered = {
        template.format(number)
        for number in ("001", "002", "003")
        for template in ("generator_model_{}.h5", "discriminator_model_{}.h5", "generated_plot_e{}.png")
    }
    numbered.add("generated_plot_e000.png")
    assert {path.name for path in out.iterdir()} == EVERY_RUN | numbered
    assert {path.name for path in tmp_path.iterdir()} == {"run", "faces.npz"}
    log = logs.read_table(out / "log.csv")
    assert [(row["epoch"], row["step"]) for row in log] == [(1, 5), (2, 10), (3, 15)]
    assert [row["kimg"] for row in log] == [0.02, 0.04, 0.06], "half of each batch of 8 is real"
    assert all(0 <= row["d_accuracy_real"] <= 1 for row in log)
    assert [row["step"] for row in logs.read_table(out / "steps.csv")] == [*range(1, 16)]
    with Image.open(out / "progress.gif") as gif:
        assert gif.n_frames == 4


def test_a_tutorials_preset_saves_the_trained_generator_and_its_average_beside_it(monkeypatch, tmp_path, dataset):
    out = tmp_path / "run"
    assert train(monkeypatch, dataset, out, "--epochs", "1", preset="tiny_halves") == 0
    trained, average = (out / f"generator_{kind}_001.h5" for kind in ("model", "average"))
    assert [generators.read_notes(path)["weights"] for path in (trained, average)] == ["trained", "average"]
    state = [value.tobytes() for value in arrays(out / "state.npz").values()]
    for path in (trained, average):
        weights = generators.load_generator(path).model.get_weights()
        assert all(array.tobytes() in state for array in weights if array.ndim > 1)
    faces = generators.load_generator(trained)
    picture = images.grid(faces.draw(faces.latents_of(range(1, 5))), columns=2, numbers=range(1, 5))
    np.testing.assert_array_equal(np.asarray(Image.open(out / "generated_plot_e001.png")), np.asarray(picture))
    assert generators.find_generator(out) == average
    train(monkeypatch, dataset, tmp_path / "raw", "--epochs", "1", "--ema-decay", "0", preset="tiny_halves")
    assert [path.name for path in generators.checkpoints(tmp_path / "raw")] == ["generator_model_001.h5"]


def test_at_each_save_the_saved_networks_are_tested_on_fresh_images(monkeypatch, tmp_path, dataset, capsys):
    out = tmp_path / "run"
    assert train(monkeypatch, dataset, out, "--epochs", "1", preset="tiny_halves") == 0
    stream = batches.Batches(np.load(dataset)["arr_0"], np.arange(40), tiny.TINY_HALVES, seed=0)
    pixels, latents = stream.fresh(5, 100)
    assert pixels.shape == (40, 16, 16, 3)
    generator, discriminator = (
        model_files.load_model_file(out / f"{kind}_model_001.h5", kind) for kind in ("generator", "discriminator")
    )
    on_real = discriminator.predict_on_batch(images.to_images(pixels, "tanh"))
    on_generated = discriminator.predict_on_batch(generator.predict_on_batch(latents))
    assert 0 < on_real.min() < on_real.max() < 1, "probabilities"
    real, generated = (on_real > 0.5).mean(), (on_generated <= 0.5).mean()
    (row,) = logs.read_table(out / "log.csv")
    assert (row["d_fresh_accuracy_real"], row["d_fresh_accuracy_generated"]) == pytest.approx((real, generated))
    assert f">Accuracy real: {row['d_fresh_accuracy_real']:.0%}, fake: " in capsys.readouterr().out


def test_a_discriminator_of_pairs_is_saved_with_its_score_and_tested_on_pairs(monkeypatch, tmp_path, dataset, capsys):
    assert train(monkeypatch, dataset, tmp_path / "run", "--epochs", "1", preset="tiny_relativistic") == 0
    path = tmp_path / "run" / "discriminator_model_001.h5"
    assert model_files.load_network(path, "discriminator").last_activation == "linear"
    assert generators.read_notes(path)["loss"] == "relativistic"
    assert ">Accuracy of pairs: " in capsys.readouterr().out


def test_every_saved_generator_is_measured_and_the_best_is_kept_and_found(monkeypatch, tmp_path, dataset, capsys):
    from facegan.metrics import quality

    times = iter([3.0, 2.5, 2.0, 1.0, float("nan"), 3.0])  # of the generator and of its average, in turn
    measure = quality.QualityMetric.figures
    monkeypatch.setattr(quality, "TRAINING_COUNT", 20)
    monkeypatch.setattr(
        quality.QualityMetric,
        "figures",
        lambda metric, pixels: dataclasses.replace(measure(metric, pixels), times_real=next(times)),
    )
    out = tmp_path / "run"
    options = ("--preset", "tiny_halves", "--precision", "float32")
    assert tiny.train(monkeypatch, dataset, "--out", out, *options) == 0
    log = logs.read_table(out / "log.csv")
    assert [row["times_real"] for row in log[:2]] == [3.0, 2.0]
    assert [row["times_real_average"] for row in log] == [2.5, 1.0, 3.0]
    assert all(row["nearest_neighbour_diversity"] >= 0 and row["coverage"] >= 0 for row in log)
    assert (out / "generator_best.h5").read_bytes() == (out / "generator_average_002.h5").read_bytes()
    assert generators.load_generator(out).path == out / "generator_best.h5"
    printed = capsys.readouterr().out
    assert "generator_average_002.h5: 1.0x real (whole " in printed and "the best is 1.0x" in printed


def test_the_configuration_holds_every_setting_and_the_rows_held_out(monkeypatch, tmp_path, dataset):
    train(monkeypatch, dataset, tmp_path / "run", "--hold-out", "0.1", "--epochs", "1", "--batch-size", "6")
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert (config["preset"], config["batch_size"], config["learning_rate"]) == ("tiny", 6, 0.0002)
    assert len(config["held_out_rows"]) == 4
    assert config["fingerprint"].startswith("40x16x16x3-")
    assert config["versions"]["numpy"] == np.__version__


def test_a_setting_of_the_preset_is_changed_recorded_and_part_of_the_run(monkeypatch, tmp_path, dataset, capsys):
    out = tmp_path / "run"
    settings = ("batch_norm=True", "upsampling=nearest", "label_noise=0.1", "downsampling_blocks=((4, 3), (8, 3))")
    options = [word for setting in settings for word in ("--set", setting)]
    assert train(monkeypatch, dataset, out, "--epochs", "1", *options) == 0
    row = json.loads((out / "config.json").read_text())["preset_row"]
    assert (row["batch_norm"], row["upsampling"], row["label_noise"]) == (True, "nearest", 0.1)
    assert row["downsampling_blocks"] == [[4, 3], [8, 3]]
    layers = {type(layer).__name__ for layer in generators.load_generator(out).model.layers}
    assert {"BatchNormalization", "UpSampling2D"} <= layers and "Conv2DTranspose" not in layers
    assert train(monkeypatch, dataset, out, "--epochs", "1", *options[2:]) == 2
    assert "preset batch_norm was True, is False" in capsys.readouterr().err


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(monkeypatch, tmp_path, dataset):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        assert train(monkeypatch, dataset, tmp_path / name, "--epochs", "1", "--seed", seed) == 0
    assert_same_run(tmp_path / "a", tmp_path / "b")
    first, other = arrays(tmp_path / "a" / "state.npz"), arrays(tmp_path / "c" / "state.npz")
    assert any(first[name].tobytes() != other[name].tobytes() for name in first)


def test_several_files_train_as_the_merged_one_does(monkeypatch, tmp_path, dataset):
    parts = [tmp_path / f"part-{number}.npz" for number in range(3)]
    for path, rows in zip(parts, np.split(tiny.blobs(40), (7, 30)), strict=True):
        np.savez(path, rows)
    options = ("--epochs", "2", "--hold-out", "0.2")
    assert train(monkeypatch, dataset, tmp_path / "merged", *options) == 0
    assert train(monkeypatch, parts[0], tmp_path / "parts", *options, more_data=parts[1:]) == 0
    assert_same_run(tmp_path / "merged", tmp_path / "parts")
    config = json.loads((tmp_path / "parts" / "config.json").read_text())
    assert config["data"] == [str(path) for path in parts]


def test_steps_number_the_files_of_a_preset_that_counts_them(monkeypatch, tmp_path, dataset):
    assert train(monkeypatch, dataset, tmp_path / "run", preset="tiny_steps") == 0
    assert [path.name for path in generators.checkpoints(tmp_path / "run")] == [
        "generator_model_000010.h5",
        "generator_model_000020.h5",
    ]
    assert generators.load_generator(tmp_path / "run").latent_prior == "uniform"


def test_training_starts_from_existing_files(monkeypatch, tmp_path, dataset, capsys):
    train(monkeypatch, dataset, tmp_path / "first", "--epochs", "1", "--ema-decay", "0")
    start = [tmp_path / "first" / f"{kind}_model_001.h5" for kind in ("generator", "discriminator")]
    frozen = ("--learning-rate", "1e-30", "--epochs", "1", "--ema-decay", "0", "--seed", "9")
    assert train(monkeypatch, dataset, tmp_path / "second", *frozen, "--init-from", *start) == 0
    assert "names no discriminator" not in capsys.readouterr().out
    before, after = arrays(tmp_path / "first" / "state.npz"), arrays(tmp_path / "second" / "state.npz")
    networks = [name for name, value in before.items() if value.ndim == 4]
    assert networks
    same = [np.allclose(before[name], after[name], atol=1e-6) for name in networks]
    assert same[: len(same) // 4] == [True] * (len(same) // 4)
    assert "layers are not those" in refusal(
        monkeypatch, dataset, tmp_path / "third", "--init-from", start[0], "--latent-dim", "9"
    )


def test_colour_blur_can_be_added_to_a_saved_generator(monkeypatch, tmp_path, dataset, capsys):
    plain, blurred = tmp_path / "plain", tmp_path / "blurred"
    train(monkeypatch, dataset, plain, "--epochs", "1")
    start = plain / "generator_model_001.h5"
    frozen = ("--learning-rate", "1e-30", "--epochs", "1", "--set", "colour_blur=True", "--init-from", start)
    assert train(monkeypatch, dataset, blurred, *frozen) == 0
    assert "note: --init-from names no discriminator" in capsys.readouterr().out
    before, after = (generators.load_generator(run / "generator_model_001.h5") for run in (plain, blurred))
    faces = [generator.draw(generator.latents_of(range(1, 5))).astype(float) for generator in (before, after)]
    rough = [np.abs(np.diff(pixels - pixels.mean(-1, keepdims=True), axis=2)).mean() for pixels in faces]
    np.testing.assert_allclose(*(pixels @ images.LUMINANCE for pixels in faces), atol=8)
    assert rough[1] < rough[0] / 2
    again = tmp_path / "again"
    frozen = (*frozen[:-1], blurred / "generator_model_001.h5")
    assert train(monkeypatch, dataset, again, *frozen) == 0
    redrawn = generators.load_generator(again / "generator_model_001.h5").draw(after.latents_of(range(1, 5)))
    np.testing.assert_allclose(redrawn, faces[1], atol=1)


def test_a_dry_run_prints_the_run_and_trains_nothing(monkeypatch, tmp_path, dataset, capsys):
    monkeypatch.setattr("shutil.which", lambda name: None)  # as without graphviz
    assert train(monkeypatch, dataset, tmp_path / "run", "--dry-run") == 0
    printed = capsys.readouterr().out
    for words in (
        '"preset": "tiny"',
        '"device": ',
        "generator",
        "Total params",
        "memory for this batch size",
        "an epoch of 5 steps",
        "composite model",
        "diagrams: none; they need both pip install pydot and apt install graphviz",
    ):
        assert words in printed
    assert not list((tmp_path / "run").iterdir())


@pytest.mark.parametrize("words", ["RESOURCE_EXHAUSTED: out of memory", "OOM ResourceExhaustedError"])
def test_memory_that_runs_out_is_one_line_that_says_which_batch_size_to_try(
    monkeypatch, tmp_path, dataset, capsys, words
):
    import keras

    def fail(*arguments, **options):
        raise RuntimeError(words)

    monkeypatch.setattr(keras.Model, "fit", fail)
    assert train(monkeypatch, dataset, tmp_path / "run") == 2
    assert capsys.readouterr().err.endswith(
        "--batch-size 8: the memory is not enough; try --accumulate 2 or --batch-size 4\n"
    )


def test_networks_that_do_not_fit_in_memory_are_one_line_that_says_how_to_make_them_smaller(
    monkeypatch, tmp_path, dataset, capsys
):
    assert train(monkeypatch, dataset, tmp_path / "run", "--latent-dim", str(10**12)) == 2
    assert capsys.readouterr().err == (
        "train_gan.py: error: --preset tiny: the memory is not enough for its networks; "
        "try a smaller --latent-dim, fewer filters by --set, or smaller images\n"
    )


def refusal(monkeypatch, *arguments, capsys=None):
    with pytest.raises(Exception) as caught:
        train_unguarded(monkeypatch, *arguments)
    return str(caught.value)


def train_unguarded(monkeypatch, dataset, out, *options, preset="tiny"):
    import train_gan
    from facegan.training import presets

    for name, row in tiny.ROWS.items():
        monkeypatch.setitem(presets.PRESETS, name, row)
    arguments = ["train_gan.py", dataset, "--preset", preset, "--out", out, *FAST, *options]
    monkeypatch.setattr(sys, "argv", [str(argument) for argument in arguments])
    train_gan.main()


BAD_OPTIONS = [
    (["--batch-size", "7"], "--batch-size 7: must be even"),
    (["--batch-size", "400"], "--batch-size 400: more than the 40 images"),
    (["--accumulate", "6"], "--accumulate 6: must divide the 4 real images of a batch; try 2"),
    (["--batch-size", "0"], "--batch-size: 0 is not 2 or more"),
    (["--epochs", "2", "--steps", "3"], "--steps: not allowed with argument --epochs"),
    (["--epochs", "none"], "--epochs: 'none' is not a whole number"),
    (["--learning-rate", "0"], "--learning-rate: 0 is not more than 0"),
    (["--lr-decay", "1.1"], "--lr-decay: 1.1 is not from 0 to 1"),
    (["--learning-rate", "nan"], "--learning-rate: nan"),
    (["--hold-out", "1"], "--hold-out: 1 is not from 0 to 0.9"),
    (["--limit", "41"], "--limit 41: there are only 40 images"),
    (["--loss", "hinge", "--label-smoothing", "0.1"], "--label-smoothing: is for --loss bce"),
    (["--set", "batchnorm=True"], "--set batchnorm: a preset has no such setting; the nearest is batch_norm"),
    (["--set", "dropout=2"], "--set dropout: 2 is not from 0 to 0.99"),
    (["--set", "batch_norm=yes"], "--set batch_norm: 'yes' is not one of True, False"),
    (["--set", "upsampling=cubic"], "--set upsampling: 'cubic' is not one of transposed, nearest, bilinear"),
    (["--set", "d_stem=(0, 3)"], "--set d_stem: '(0, 3)' is not (filters, kernel) or None"),
    (["--set", "latent_dim=9"], "--set latent_dim: has an option of its own; use --latent-dim"),
    (["--loss", "hinge", "--set", "label_noise=0.1"], "--set label_noise: is for --loss bce"),
    (["--init-from", "a", "b", "c"], "--init-from: takes one or two files"),
    (["--init-from", "missing.h5"], "--init-from missing.h5"),
    (["--preset", "faces81"], "--preset: invalid choice: 'faces81'"),
]


@pytest.mark.parametrize(("options", "words"), BAD_OPTIONS, ids=[" ".join(options) for options, _ in BAD_OPTIONS])
def test_a_wrong_option_is_one_line_that_names_it(monkeypatch, tmp_path, dataset, capsys, options, words):
    assert train(monkeypatch, dataset, tmp_path / "run", *options) == 2
    printed = capsys.readouterr().err
    assert words in printed
    assert printed.count("\n") == 1
    assert not list((tmp_path / "run").glob("*"))


def test_data_of_a_size_that_cannot_be_halved_is_refused_with_the_nearest_size(monkeypatch, tmp_path, capsys):
    dataset = tiny.save_blobs(tmp_path / "odd.npz", shape=(17, 16, 3))
    assert train(monkeypatch, dataset, tmp_path / "run") == 2
    assert "--size 16x16" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_refused_before_any_work(monkeypatch, tmp_path, dataset, capsys):
    (tmp_path / "file").write_text("in the way")
    assert train(monkeypatch, dataset, tmp_path / "file" / "run") == 2
    assert "--out" in capsys.readouterr().err


def test_a_saved_generator_draws_the_same_pixels_in_a_fresh_process(monkeypatch, tmp_path, dataset):
    train(monkeypatch, dataset, tmp_path / "run", "--epochs", "1", "--precision", "mixed_bfloat16")
    generator = generators.load_generator(tmp_path / "run")
    latents = np.random.RandomState(1).standard_normal((5, 8)).astype("float32")
    np.save(tmp_path / "latents.npy", latents)
    program = (
        "import sys, numpy as np; from facegan.common import generators; "
        "np.save(sys.argv[3], generators.load_generator(sys.argv[1]).draw(np.load(sys.argv[2])))"
    )
    files = [tmp_path / "run", tmp_path / "latents.npy", tmp_path / "pixels.npy"]
    subprocess.run([sys.executable, "-c", program, *map(str, files)], check=True, cwd=Path(tiny.__file__).parents[2])
    np.testing.assert_array_equal(np.load(tmp_path / "pixels.npy"), generator.draw(latents))
    np.testing.assert_array_equal(generator.draw(latents[2:3])[0], generator.draw(latents)[2])
