"""A run resumes where it stopped, to the bit, however it stopped; and never in another run's folder."""

import dataclasses
import errno
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from facegan.common import files
from facegan.training import logs, recorder, run_writer

import numpy as np
import pytest
import tiny
from PIL import Image
from short_runs import FAST, assert_same_run, train


@pytest.fixture(scope="module")
def first_epoch(tmp_path_factory):
    """The folder of a run of one epoch on the data of `dataset`."""
    folder = tmp_path_factory.mktemp("first_epoch")
    with pytest.MonkeyPatch.context() as monkeypatch:
        assert train(monkeypatch, tiny.save_blobs(folder / "faces.npz"), folder / "run", "--epochs", "1") == 0
    return folder / "run"


@pytest.fixture
def begun(first_epoch, tmp_path):
    """The folder of such a run of the test's own."""
    return shutil.copytree(first_epoch, tmp_path / "begun")


@pytest.mark.parametrize(
    ("preset", "first"), [("tiny_batch_norm", ("--epochs", "1")), ("tiny_relativistic", ("--steps", "7"))]
)
def test_a_run_that_ended_after_or_within_an_epoch_is_extended_as_if_it_had_never_ended(
    monkeypatch, tmp_path, dataset, preset, first
):
    train(monkeypatch, dataset, tmp_path / "whole", preset=preset)
    train(monkeypatch, dataset, tmp_path / "parts", *first, preset=preset)
    train(monkeypatch, dataset, tmp_path / "parts", preset=preset)
    assert_same_run(tmp_path / "whole", tmp_path / "parts")


def test_a_finished_run_trains_nothing_when_asked_again(monkeypatch, begun, dataset, capsys):
    before = (begun / "state.npz").read_bytes()
    assert train(monkeypatch, dataset, begun, "--epochs", "1") == 0
    assert (begun / "state.npz").read_bytes() == before
    assert "done: 5 steps" in capsys.readouterr().out


def test_a_run_asked_for_fewer_steps_than_it_has_is_left_unchanged(monkeypatch, tmp_path, dataset, capsys):
    out = tmp_path / "run"
    train(monkeypatch, dataset, out, "--steps", "7")
    before = {path: path.read_bytes() for path in out.iterdir() if path.is_file()}
    assert train(monkeypatch, dataset, out, "--steps", "4") == 0
    assert "holds 7 steps, more than the 4 asked for" in capsys.readouterr().out
    assert train(monkeypatch, dataset, out, "--steps", "4", "--seed", "5") == 2
    assert "seed was 0, is 5" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in out.iterdir() if path.is_file()} == before


@pytest.mark.parametrize(
    ("when", "preset", "options"), [(signal.SIGINT, "tiny_halves", ()), (signal.SIGTERM, "tiny", ("--lr-decay", "0.8"))]
)
def test_ctrl_c_and_sigterm_save_say_how_to_go_on_and_lose_nothing(
    monkeypatch, tmp_path, dataset, capsys, when, preset, options
):
    train(monkeypatch, dataset, tmp_path / "whole", *options, preset=preset)
    observe = recorder.collapse.Watch.observe

    def interrupt(watch, step, numbers):
        if step == 8:
            os.kill(os.getpid(), when)
        return observe(watch, step, numbers)

    monkeypatch.setattr(recorder.collapse.Watch, "observe", interrupt)
    assert train(monkeypatch, dataset, tmp_path / "parts", *options, preset=preset) == 128 + when
    assert "run the same command to resume" in capsys.readouterr().err
    monkeypatch.setattr(recorder.collapse.Watch, "observe", observe)
    assert train(monkeypatch, dataset, tmp_path / "parts", *options, preset=preset) == 0
    assert "resuming at step 8 of 15" in capsys.readouterr().out
    assert_same_run(tmp_path / "whole", tmp_path / "parts")


def test_a_run_from_before_its_preset_had_some_field_resumes_and_its_animation_too(monkeypatch, begun, dataset):
    config = json.loads((begun / "config.json").read_text())
    for name in ("plot_side", "initializer"):
        del config["preset_row"][name]
    (begun / "config.json").write_text(json.dumps(config))
    Image.new("RGB", (30, 30)).save(begun / "generated_plot_e000.png")  # as of a grid with other sides
    assert train(monkeypatch, dataset, begun, "--epochs", "2") == 0
    with Image.open(begun / "progress.gif") as gif:
        assert gif.n_frames == 2


def test_a_run_from_before_updates_were_clipped_resumes_with_a_note(monkeypatch, begun, dataset, capsys):
    assert train(monkeypatch, dataset, begun, "--epochs", "1", "--set", "update_clip=2") == 0
    printed = capsys.readouterr().out
    assert "note: preset update_clip was 0.0, is 2.0: the run resumes" in printed and "done: 5 steps" in printed


@pytest.mark.slow
def test_a_run_killed_at_random_moments_ends_with_the_same_bytes(monkeypatch, tmp_path, dataset):
    options = ("--preset", "tiny_batch_norm", *FAST, "--epochs", "40", "--save-every", "2", "--augment")
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


def test_a_full_disk_is_one_line_and_the_same_command_resumes(monkeypatch, tmp_path, dataset, capsys):
    save = run_writer.checkpoints.save_state

    def fail(*arguments, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(run_writer.checkpoints, "save_state", fail)
    assert train(monkeypatch, dataset, tmp_path / "run") == 2
    assert "the disk is full; make room and run the same command" in capsys.readouterr().err
    monkeypatch.setattr(run_writer.checkpoints, "save_state", save)
    assert train(monkeypatch, dataset, tmp_path / "run") == 0


def test_steps_that_are_counted_keep_their_means_when_the_log_interval_changes(monkeypatch, tmp_path, dataset):
    options = {"preset": "tiny_steps"}
    train(monkeypatch, dataset, tmp_path / "run", "--steps", "15", "--save-every", "100", **options)
    train(monkeypatch, dataset, tmp_path / "run", "--steps", "20", "--save-every", "50", **options)
    rows = logs.read_table(tmp_path / "run" / "log.csv")
    assert [row["step"] for row in rows] == [10, 20]
    assert all(0.2 < row["d_loss_real"] < 1.2 and row["d_accuracy_real"] <= 1 for row in rows)


def test_a_second_process_in_the_same_folder_is_refused_and_the_first_is_left_alone(
    monkeypatch, begun, dataset, capsys
):
    before = {path.name: path.stat().st_mtime_ns for path in begun.iterdir()}
    with files.lock(begun):
        assert train(monkeypatch, dataset, begun) == 2
    assert capsys.readouterr().err.endswith("is in use by another process; wait for it or name another\n")
    assert {path.name: path.stat().st_mtime_ns for path in begun.iterdir()} == before
    assert train(monkeypatch, dataset, begun) == 0


def test_a_best_figure_from_before_figures_changed_is_forgotten():
    record = dataclasses.asdict(recorder.Progress(step=3, best=1.5))
    assert recorder.Progress.from_record(record).best == 1.5
    del record["figures"]
    progress = recorder.Progress.from_record(record)
    assert (progress.step, progress.best) == (3, None)


def test_other_settings_in_the_same_folder_are_refused_and_listed_and_nothing_is_touched(
    monkeypatch, tmp_path, begun, dataset, capsys
):
    before = {path.name: path.stat().st_mtime_ns for path in begun.iterdir()}
    assert train(monkeypatch, dataset, begun, "--batch-size", "4", "--seed", "5") == 2
    assert "batch_size was 8, is 4; seed was 0, is 5" in capsys.readouterr().err
    assert train(monkeypatch, dataset, begun, "--precision", "mixed_float16") == 2
    assert "precision was float32, is mixed_float16" in capsys.readouterr().err
    other = tiny.save_blobs(tmp_path / "other.npz", seed=1)
    assert train(monkeypatch, other, begun) == 2
    assert "fingerprint was" in capsys.readouterr().err
    assert {path.name: path.stat().st_mtime_ns for path in begun.iterdir()} == before


def test_extending_a_run_whose_learning_rate_decays_prints_that_the_rate_follows(
    monkeypatch, tmp_path, dataset, capsys
):
    out = tmp_path / "run"
    assert train(monkeypatch, dataset, out, "--steps", "4", "--lr-decay", "0.5") == 0
    assert train(monkeypatch, dataset, out, "--steps", "4", "--lr-decay", "0.5") == 0
    assert "learning rate follows" not in capsys.readouterr().out
    assert train(monkeypatch, dataset, out, "--steps", "6", "--lr-decay", "0.5") == 0
    assert "learning rate follows the new length" in capsys.readouterr().out


def test_a_state_continues_only_under_its_own_settings_whatever_became_of_the_config(
    monkeypatch, begun, dataset, capsys
):
    (begun / "config.json").unlink()
    assert train(monkeypatch, dataset, begun, "--seed", "5") == 2
    assert "seed was 0, is 5" in capsys.readouterr().err
    (begun / "config.json").write_text("of another run")
    assert train(monkeypatch, dataset, begun, "--epochs", "2") == 0
    assert "resuming at step 5 of 10" in capsys.readouterr().out
    assert json.loads((begun / "config.json").read_text())["epochs"] == 2


def test_a_damaged_run_folder_resumes_and_says_what_is_left_out(monkeypatch, tmp_path, dataset, capsys):
    out = tmp_path / "run"
    train(monkeypatch, dataset, tmp_path / "whole")
    train(monkeypatch, dataset, out, "--epochs", "2")
    with (out / "log.csv").open("a") as log, (out / "steps.csv").open("a") as steps:
        log.write("garbage\n")
        steps.write("11,0.5,0.2")
    (out / "generated_plot_e001.png").write_bytes((out / "generated_plot_e001.png").read_bytes()[:900])
    (out / "losses.png").write_bytes(b"")
    (out / "generated_plot_e001_best.png").write_bytes(b"")
    state = dict(np.load(out / "state.npz"))
    np.savez(out / "state.npz", **{**state, "progress": np.array('{"step": -3}')})
    assert train(monkeypatch, dataset, out) == 0
    printed = capsys.readouterr().out
    for said in ("log.csv: 1 damaged lines", "generated_plot_e001.png cannot be read", "state.npz is incomplete or"):
        assert said in printed
    assert "resuming at step 5 of 15" in printed
    assert_same_run(tmp_path / "whole", out)


@pytest.mark.parametrize("name", ["progress.gif", "log.csv", "state_new.npz"])
def test_a_folder_in_the_place_of_a_file_is_refused_before_training(monkeypatch, tmp_path, dataset, capsys, name):
    (tmp_path / "run" / name).mkdir(parents=True)
    assert train(monkeypatch, dataset, tmp_path / "run") == 2
    assert (
        capsys.readouterr().err == f"train_gan.py: error: --out {tmp_path}/run/{name}: is a folder; name a file in it\n"
    )
