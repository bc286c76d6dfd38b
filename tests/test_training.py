"""train_gan.py trains, writes what it says, resumes to the bit, and refuses bad input in one line."""

import errno
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy
import pytest
import tiny
from PIL import Image

from facegan import recorder, records, runs

EVERY_RUN = {
    *("config.json", "log.csv", "steps.csv", "losses.png", "progress.gif", "real.png", "tensorboard"),
    *("state.npz", "state_previous.npz", "state_oldest.npz"),
}
FAST = ("--precision", "float32", "--no-quality")


@pytest.fixture
def dataset(tmp_path):
    return tiny.save_blobs(tmp_path / "faces.npz")


def train(monkeypatch, dataset, out, *options, preset="tiny"):
    return tiny.train(monkeypatch, dataset, "--preset", preset, "--out", out, *FAST, *options)


def arrays(path):
    with numpy.load(path) as file:
        return {name: file[name] for name in file.files if name != "progress"}


def assert_same_run(one, other):
    """Same bytes of state, same saved weights, same tables but for the times."""
    ours, theirs = arrays(one / "state.npz"), arrays(other / "state.npz")
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        assert value.tobytes() == theirs[name].tobytes(), name
    for table in ("log.csv", "steps.csv"):
        rows = [records.read_table(folder / table) for folder in (one, other)]
        assert [{**row, "seconds": 0} for row in rows[0]] == [{**row, "seconds": 0} for row in rows[1]]
    saved = [[path.name for path in runs.checkpoints(folder)] for folder in (one, other)]
    assert saved[0] == saved[1]
    for name in saved[0]:
        draws = [runs.load_generator(folder / name).draw(numpy.ones((3, 8), "float32")) for folder in (one, other)]
        numpy.testing.assert_array_equal(*draws)


def test_a_run_writes_exactly_the_files_that_its_help_lists(monkeypatch, tmp_path, dataset):
    out = tmp_path / "run"
    assert train(monkeypatch, dataset, out) == 0
    numbered = {
        template.format(number)
        for number in ("001", "002", "003")
        for template in ("generator_model_{}.h5", "discriminator_model_{}.h5", "generated_plot_e{}.png")
    }
    assert {path.name for path in out.iterdir()} == EVERY_RUN | numbered
    assert {path.name for path in tmp_path.iterdir()} == {"run", "faces.npz"}
    log = records.read_table(out / "log.csv")
    assert [(row["epoch"], row["step"]) for row in log] == [(1, 5), (2, 10), (3, 15)]
    assert all(0 <= row["d_accuracy_real"] <= 1 for row in log)
    assert [row["step"] for row in records.read_table(out / "steps.csv")] == [10]
    with Image.open(out / "progress.gif") as gif:
        assert gif.n_frames == 3


def test_every_saved_generator_is_measured_and_the_best_is_kept_and_found(monkeypatch, tmp_path, dataset, capsys):
    from facegan import quality

    distances = iter([3.0, 1.0, 2.0])
    measure = quality.Judge.figures
    monkeypatch.setattr(quality, "TRAINING_COUNT", 20)
    monkeypatch.setattr(quality.Judge.__init__, "__defaults__", ((), 20, None, None))
    monkeypatch.setattr(
        quality.Judge, "figures", lambda judge, pixels: {**measure(judge, pixels), "frechet_distance": next(distances)}
    )
    out = tmp_path / "run"
    options = ("--preset", "tiny", "--precision", "float32")
    assert tiny.train(monkeypatch, dataset, "--out", out, *options) == 0
    log = records.read_table(out / "log.csv")
    assert [row["frechet_distance"] for row in log] == [3.0, 1.0, 2.0]
    assert all(row["spacing"] >= 0 and row["coverage"] >= 0 for row in log)
    assert (out / "generator_best.h5").read_bytes() == (out / "generator_model_002.h5").read_bytes()
    assert runs.load_generator(out).path == out / "generator_best.h5"
    assert "generator_model_002.h5: Fréchet distance 1.0000, the best so far" in capsys.readouterr().out


def test_the_configuration_holds_every_setting_and_the_rows_held_out(monkeypatch, tmp_path, dataset):
    train(monkeypatch, dataset, tmp_path / "run", "--hold-out", "0.1", "--epochs", "1", "--batch-size", "6")
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert (config["preset"], config["batch_size"], config["learning_rate"]) == ("tiny", 6, 0.0002)
    assert len(config["held_out_rows"]) == 4
    assert config["fingerprint"].startswith("40x16x16x3-")
    assert config["versions"]["numpy"] == numpy.__version__


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(monkeypatch, tmp_path, dataset):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        assert train(monkeypatch, dataset, tmp_path / name, "--epochs", "1", "--seed", seed) == 0
    assert_same_run(tmp_path / "a", tmp_path / "b")
    first, other = arrays(tmp_path / "a" / "state.npz"), arrays(tmp_path / "c" / "state.npz")
    assert any(first[name].tobytes() != other[name].tobytes() for name in first)


def test_asking_for_more_epochs_extends_a_run_as_if_it_had_never_ended(monkeypatch, tmp_path, dataset):
    train(monkeypatch, dataset, tmp_path / "whole", preset="tiny_batch_norm")
    train(monkeypatch, dataset, tmp_path / "parts", "--epochs", "1", preset="tiny_batch_norm")
    train(monkeypatch, dataset, tmp_path / "parts", preset="tiny_batch_norm")
    assert_same_run(tmp_path / "whole", tmp_path / "parts")


def test_a_run_that_ended_within_an_epoch_goes_on_as_if_it_had_never_ended(monkeypatch, tmp_path, dataset):
    train(monkeypatch, dataset, tmp_path / "whole", preset="tiny_halves")
    train(monkeypatch, dataset, tmp_path / "parts", "--steps", "7", preset="tiny_halves")
    train(monkeypatch, dataset, tmp_path / "parts", preset="tiny_halves")
    assert_same_run(tmp_path / "whole", tmp_path / "parts")


def test_a_finished_run_trains_nothing_when_asked_again(monkeypatch, tmp_path, dataset, capsys):
    train(monkeypatch, dataset, tmp_path / "run", "--epochs", "1")
    before = (tmp_path / "run" / "state.npz").read_bytes()
    assert train(monkeypatch, dataset, tmp_path / "run", "--epochs", "1") == 0
    assert (tmp_path / "run" / "state.npz").read_bytes() == before
    assert "done: 5 steps" in capsys.readouterr().out


@pytest.mark.parametrize("when", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_sigterm_save_say_how_to_go_on_and_lose_nothing(monkeypatch, tmp_path, dataset, capsys, when):
    train(monkeypatch, dataset, tmp_path / "whole", preset="tiny")
    see = recorder.collapse.Watch.see

    def interrupt(watch, step, numbers):
        if step == 8:
            os.kill(os.getpid(), when)
        return see(watch, step, numbers)

    monkeypatch.setattr(recorder.collapse.Watch, "see", interrupt)
    assert train(monkeypatch, dataset, tmp_path / "parts") == 128 + when
    assert "run the same command to go on" in capsys.readouterr().err
    monkeypatch.setattr(recorder.collapse.Watch, "see", see)
    assert train(monkeypatch, dataset, tmp_path / "parts") == 0
    assert "going on at step 8 of 15" in capsys.readouterr().out
    assert_same_run(tmp_path / "whole", tmp_path / "parts")


@pytest.mark.slow
def test_a_run_killed_at_random_moments_ends_with_the_same_bytes(monkeypatch, tmp_path, dataset):
    options = ("--preset", "tiny_batch_norm", *FAST, "--epochs", "40", "--every", "2", "--augment")
    command = [sys.executable, str(Path(tiny.__file__)), dataset, *options, "--save-minutes", "0.005", "--out"]
    subprocess.run([*command, str(tmp_path / "whole")], check=True)
    moments, kills = random.Random(1), 0
    while kills < 6:
        process = subprocess.Popen([*command, str(tmp_path / "parts")])
        while not (tmp_path / "parts" / "steps.csv").exists() and process.poll() is None:
            time.sleep(0.1)
        time.sleep(moments.uniform(5.0, 9.0))
        process.kill()
        kills += 1
        if process.wait() == 0:
            break
    subprocess.run([*command, str(tmp_path / "parts")], check=True)
    assert_same_run(tmp_path / "whole", tmp_path / "parts")
    assert kills >= 3


def test_steps_number_the_files_of_a_preset_that_counts_them(monkeypatch, tmp_path, dataset):
    assert train(monkeypatch, dataset, tmp_path / "run", preset="tiny_steps") == 0
    assert [path.name for path in runs.checkpoints(tmp_path / "run")] == [
        "generator_model_000010.h5",
        "generator_model_000020.h5",
    ]
    assert runs.load_generator(tmp_path / "run").distribution == "uniform"


def test_training_starts_from_existing_files(monkeypatch, tmp_path, dataset):
    train(monkeypatch, dataset, tmp_path / "first", "--epochs", "1", "--average", "0")
    start = [tmp_path / "first" / f"{kind}_model_001.h5" for kind in ("generator", "discriminator")]
    frozen = ("--learning-rate", "1e-30", "--epochs", "1", "--average", "0", "--seed", "9")
    assert train(monkeypatch, dataset, tmp_path / "second", *frozen, "--start-from", *start) == 0
    before, after = arrays(tmp_path / "first" / "state.npz"), arrays(tmp_path / "second" / "state.npz")
    networks = [name for name, value in before.items() if value.ndim == 4]
    assert networks
    same = [numpy.allclose(before[name], after[name], atol=1e-6) for name in networks]
    assert same[: len(same) // 4] == [True] * (len(same) // 4)
    assert "layers are not those" in refusal(
        monkeypatch, dataset, tmp_path / "third", "--start-from", start[0], "--latent-dim", "9"
    )


def test_a_dry_run_prints_the_run_and_trains_nothing(monkeypatch, tmp_path, dataset, capsys):
    assert train(monkeypatch, dataset, tmp_path / "run", "--dry-run") == 0
    told = capsys.readouterr().out
    for words in (
        '"preset": "tiny"',
        '"device": ',
        "generator",
        "Total params",
        "memory for this batch size",
        "an epoch of 5 steps",
    ):
        assert words in told
    assert {path.suffix for path in (tmp_path / "run").iterdir()} <= {".png"}


def collapse(monkeypatch, step):
    """Make the watch see a collapse that began at a step, the first time that the run gets past it by two."""
    told = []

    def see(watch, now, numbers):
        if now == step + 2 and not told:
            told.append(now)
            return recorder.collapse.Finding("alike", step, f"since step {step} all alike")
        return None

    monkeypatch.setattr(recorder.collapse.Watch, "see", see)


def test_a_collapse_is_a_sentence_that_names_the_last_good_generator(monkeypatch, tmp_path, dataset, capsys):
    collapse(monkeypatch, 7)
    assert train(monkeypatch, dataset, tmp_path / "run") == 0
    assert "since step 7 all alike; generator_model_001.h5 was saved before that" in capsys.readouterr().err


def test_a_run_told_to_stop_on_collapse_ends_with_its_own_exit_code(monkeypatch, tmp_path, dataset):
    collapse(monkeypatch, 7)
    assert train(monkeypatch, dataset, tmp_path / "run", "--on-collapse", "stop") == 3
    log = records.read_table(tmp_path / "run" / "log.csv")
    assert [(row["step"], row["collapse"]) for row in log] == [(5, None), (9, "alike")]


def test_restore_goes_back_to_before_the_collapse_with_another_seed_and_finishes(
    monkeypatch, tmp_path, dataset, capsys
):
    train(monkeypatch, dataset, tmp_path / "whole")
    collapse(monkeypatch, 7)
    assert train(monkeypatch, dataset, tmp_path / "run", "--on-collapse", "restore") == 0
    told = capsys.readouterr().out
    assert "going on at step 5" in told
    assert "restarted with a new seed, 1 of 3 times" in told
    logs = [records.read_table(tmp_path / name / "log.csv") for name in ("whole", "run")]
    assert [row["step"] for row in logs[1]] == [5, 10, 15]
    assert logs[0][0]["g_loss"] == logs[1][0]["g_loss"]
    assert logs[0][1]["g_loss"] != logs[1][1]["g_loss"]
    assert [row["collapse"] for row in logs[1]] == [None, "alike", "alike"]


def test_a_state_saved_in_doubt_never_takes_the_place_of_a_good_one(monkeypatch, tmp_path, dataset, capsys):
    see = recorder.collapse.Watch.see

    def doubt(watch, now, numbers):
        see(watch, now, numbers)
        watch.state["since"] = {"alike": 12} if 12 <= now < 28 else {}
        if now == 28:
            return recorder.collapse.Finding("alike", 12, "all alike")
        return None

    monkeypatch.setattr(recorder.collapse.Watch, "see", doubt)
    options = ("--on-collapse", "restore", "--epochs", "6")
    assert train(monkeypatch, dataset, tmp_path / "run", *options) == 3
    told = capsys.readouterr()
    assert "going on at step 10 of 30" in told.out
    assert "went back 3 times already" in told.err


def test_restore_gives_up_after_three_times(monkeypatch, tmp_path, dataset):
    monkeypatch.setattr(
        recorder.collapse.Watch,
        "see",
        lambda watch, now, numbers: recorder.collapse.Finding("alike", 6, "all alike") if now == 8 else None,
    )
    assert train(monkeypatch, dataset, tmp_path / "run", "--on-collapse", "restore") == 3


@pytest.mark.parametrize("words", ["RESOURCE_EXHAUSTED: out of memory", "OOM ResourceExhaustedError"])
def test_memory_that_runs_out_is_one_line_that_says_which_batch_size_to_try(
    monkeypatch, tmp_path, dataset, capsys, words
):
    import keras

    def fail(*arguments, **options):
        raise RuntimeError(words)

    monkeypatch.setattr(keras.Model, "fit", fail)
    assert train(monkeypatch, dataset, tmp_path / "run") == 2
    assert capsys.readouterr().err.endswith("--batch-size 8: the memory is not enough; try --batch-size 4\n")


def test_a_full_disk_is_one_line_and_the_same_command_goes_on(monkeypatch, tmp_path, dataset, capsys):
    save = recorder.checkpoints.save_state

    def fail(*arguments, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(recorder.checkpoints, "save_state", fail)
    assert train(monkeypatch, dataset, tmp_path / "run") == 2
    assert "the disk is full; make room and run the same command" in capsys.readouterr().err
    monkeypatch.setattr(recorder.checkpoints, "save_state", save)
    assert train(monkeypatch, dataset, tmp_path / "run") == 0


def test_steps_that_are_counted_keep_their_means_when_the_log_interval_changes(monkeypatch, tmp_path, dataset):
    options = {"preset": "tiny_steps"}
    train(monkeypatch, dataset, tmp_path / "run", "--steps", "15", "--every", "100", **options)
    train(monkeypatch, dataset, tmp_path / "run", "--steps", "20", "--every", "50", **options)
    rows = records.read_table(tmp_path / "run" / "log.csv")
    assert [row["step"] for row in rows] == [10, 20]
    assert all(0.2 < row["d_loss_real"] < 1.2 and row["d_accuracy_real"] <= 1 for row in rows)


def refusal(monkeypatch, *arguments, capsys=None):
    with pytest.raises(Exception) as caught:
        train_unguarded(monkeypatch, *arguments)
    return str(caught.value)


def train_unguarded(monkeypatch, dataset, out, *options, preset="tiny"):
    import train_gan
    from facegan import presets

    for name, row in tiny.ROWS.items():
        monkeypatch.setitem(presets.PRESETS, name, row)
    arguments = ["train_gan.py", dataset, "--preset", preset, "--out", out, *FAST, *options]
    monkeypatch.setattr(sys, "argv", [str(argument) for argument in arguments])
    train_gan.main()


BAD_OPTIONS = [
    (["--batch-size", "7"], "--batch-size 7: must be even"),
    (["--batch-size", "400"], "--batch-size 400: more than the 40 images"),
    (["--batch-size", "0"], "--batch-size: 0 is not 2 or more"),
    (["--epochs", "2", "--steps", "3"], "--steps: not allowed with argument --epochs"),
    (["--epochs", "none"], "--epochs: 'none' is no whole number"),
    (["--learning-rate", "0"], "--learning-rate: 0 is not more than 0"),
    (["--learning-rate", "nan"], "--learning-rate: nan"),
    (["--hold-out", "1"], "--hold-out: 1 is not from 0 to 0.9"),
    (["--limit", "41"], "--limit 41: there are only 40 images"),
    (["--loss", "hinge", "--smooth", "0.9"], "--smooth: softens the targets of --loss bce"),
    (["--start-from", "a", "b", "c"], "--start-from: takes one or two files"),
    (["--start-from", "missing.h5"], "--start-from missing.h5"),
    (["--preset", "faces81"], "--preset: invalid choice: 'faces81'"),
]


@pytest.mark.parametrize(("options", "words"), BAD_OPTIONS, ids=[" ".join(options) for options, _ in BAD_OPTIONS])
def test_a_wrong_option_is_one_line_that_names_it(monkeypatch, tmp_path, dataset, capsys, options, words):
    assert train(monkeypatch, dataset, tmp_path / "run", *options) == 2
    told = capsys.readouterr().err
    assert words in told
    assert told.count("\n") == 1
    assert not list((tmp_path / "run").glob("*"))


def test_data_of_a_size_that_does_not_halve_is_refused_with_the_nearest_size(monkeypatch, tmp_path, capsys):
    dataset = tiny.save_blobs(tmp_path / "odd.npz", shape=(17, 16, 3))
    assert train(monkeypatch, dataset, tmp_path / "run") == 2
    assert "--size 16x16" in capsys.readouterr().err


def test_other_settings_in_the_same_folder_are_refused_and_listed_and_nothing_is_touched(
    monkeypatch, tmp_path, dataset, capsys
):
    out = tmp_path / "run"
    train(monkeypatch, dataset, out, "--epochs", "1")
    before = {path.name: path.stat().st_mtime_ns for path in out.iterdir()}
    assert train(monkeypatch, dataset, out, "--batch-size", "4", "--seed", "5") == 2
    assert "batch_size was 8, is 4; seed was 0, is 5" in capsys.readouterr().err
    assert train(monkeypatch, dataset, out, "--precision", "mixed_float16") == 2
    assert "precision was float32, is mixed_float16" in capsys.readouterr().err
    other = tiny.save_blobs(tmp_path / "other.npz", seed=1)
    assert train(monkeypatch, other, out) == 2
    assert "fingerprint was" in capsys.readouterr().err
    assert {path.name: path.stat().st_mtime_ns for path in out.iterdir()} == before


def test_a_folder_that_cannot_be_written_is_refused_before_any_work(monkeypatch, tmp_path, dataset, capsys):
    (tmp_path / "file").write_text("in the way")
    assert train(monkeypatch, dataset, tmp_path / "file" / "run") == 2
    assert "--out" in capsys.readouterr().err


def test_a_saved_generator_draws_the_same_pixels_in_a_fresh_process(monkeypatch, tmp_path, dataset):
    train(monkeypatch, dataset, tmp_path / "run", "--epochs", "1", "--precision", "mixed_bfloat16")
    generator = runs.load_generator(tmp_path / "run")
    latents = numpy.random.RandomState(1).standard_normal((5, 8)).astype("float32")
    numpy.save(tmp_path / "latents.npy", latents)
    program = (
        "import sys, numpy; from facegan import runs; "
        "numpy.save(sys.argv[3], runs.load_generator(sys.argv[1]).draw(numpy.load(sys.argv[2])))"
    )
    files = [tmp_path / "run", tmp_path / "latents.npy", tmp_path / "pixels.npy"]
    subprocess.run([sys.executable, "-c", program, *map(str, files)], check=True, cwd=Path(tiny.__file__).parent.parent)
    numpy.testing.assert_array_equal(numpy.load(tmp_path / "pixels.npy"), generator.draw(latents))
    numpy.testing.assert_array_equal(generator.draw(latents[2:3])[0], generator.draw(latents)[2])
