"""Several devices and processes train the GAN that one device trains; without TensorFlow all but finding faces runs."""

import importlib.util
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

from facegan.common import cli, hardware
from facegan.training import checkpoints, devices, logs, recorder

import keras
import numpy as np
import pytest
import tiny
from PIL import Image

HELPERS = Path(__file__).parents[1] / "helpers"
needs_jax = pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed")
OPTIONS = ("--preset", "tiny_batch_norm", "--precision", "float32", "--epochs", "2", "--no-quality")
# Each launch is what the README says: the same command, which differs only in the environment.
LAUNCHES = {
    "one_device": [{}],
    "two_devices": [{"XLA_FLAGS": "--xla_force_host_platform_device_count=2"}],
    "two_processes": [{"KERAS_DISTRIBUTION_PROCESS_ID": place} for place in ("0", "1")],
}


def start(environment, *words):
    """Start scripts under JAX on a machine that has no TensorFlow."""
    return subprocess.Popen(
        [sys.executable, HELPERS / "without_packages.py", "tensorflow", *map(str, words)],
        env={**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def launch(folder, *options, of_one=((), ()), faults=("", "")):
    """Train in two processes, with options and a fault for each; their (exit code, output, lines of errors)."""
    dataset = tiny.save_blobs(folder / "faces.npz")
    shared = {"KERAS_DISTRIBUTION_JOB_ADDRESSES": f"127.0.0.1:{free_port()}", "KERAS_DISTRIBUTION_NUM_PROCESSES": "2"}
    processes = []
    for place, (own, fault) in enumerate(zip(of_one, faults, strict=True)):
        environment = {**shared, "KERAS_DISTRIBUTION_PROCESS_ID": str(place)} | ({"FAULT": fault} if fault else {})
        command = HELPERS / "each_process.py", dataset, *OPTIONS, *options, *own, "--out", folder / "run"
        processes.append(start(environment, *command))
    ends = [process.communicate(timeout=600) for process in processes]
    return [
        (process.returncode, out, errors.splitlines()) for process, (out, errors) in zip(processes, ends, strict=True)
    ]


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture(scope="module")
def runs_of_one_gan(tmp_path_factory):
    """Folder of the runs, and what each process of each launch printed."""
    folder = tmp_path_factory.mktemp("runs")
    dataset = tiny.save_blobs(folder / "faces.npz")
    address = {"KERAS_DISTRIBUTION_JOB_ADDRESSES": f"127.0.0.1:{free_port()}", "KERAS_DISTRIBUTION_NUM_PROCESSES": "2"}
    started, printed = {}, {}
    for name, environments in LAUNCHES.items():
        shared = address if len(environments) > 1 else {}
        command = HELPERS / "each_process.py", dataset, *OPTIONS, "--out", folder / name
        started[name] = [start({**shared, **environment}, *command) for environment in environments]
    for name, processes in started.items():
        ends = [process.communicate(timeout=600) for process in processes]
        assert [process.returncode for process in processes] == [0] * len(processes), ends
        printed[name] = [out for out, _ in ends]
    return folder, printed


@pytest.mark.slow  # four trainings under JAX
@needs_jax
@pytest.mark.parametrize("name", ["two_devices", "two_processes"])
def test_several_devices_give_the_losses_and_the_state_of_one(runs_of_one_gan, name):
    folder, _ = runs_of_one_gan
    device = json.loads((folder / name / "config.json").read_text())["device"]
    assert device.startswith("2 x cpu")
    tables = [logs.read_table(folder / each / "log.csv") for each in ("one_device", name)]
    for ours, theirs in zip(*tables, strict=True):
        for column in ("d_loss_real", "d_loss_generated", "g_loss", "batch_diversity"):
            assert theirs[column] == pytest.approx(ours[column], rel=1e-4)
    with np.load(folder / "one_device" / "state.npz") as ours, np.load(folder / name / "state.npz") as theirs:
        for key in set(ours.files) - {"progress", "settings"}:
            np.testing.assert_allclose(theirs[key], ours[key], rtol=1e-3, atol=1e-5)


@pytest.mark.slow
@needs_jax
def test_two_processes_end_with_equal_weights_and_only_the_first_writes_and_prints(runs_of_one_gan):
    folder, printed = runs_of_one_gan
    assert "done: 10 steps" in printed["two_processes"][0]
    assert printed["two_processes"][1] == ""
    files = [sorted(path.name for path in (folder / name).iterdir()) for name in ("one_device", "two_processes")]
    assert files[0] == files[1]
    ends = [folder / f"two_processes_process{place}.npz" for place in range(2)]
    with np.load(ends[0]) as first, np.load(ends[1]) as second:
        for key in first.files:
            assert first[key].tobytes() == second[key].tobytes()


@pytest.mark.slow
@needs_jax
def test_a_process_that_cannot_write_ends_the_launch_at_once(tmp_path):
    (code, _, errors), (other_code, _, other_errors) = launch(tmp_path, faults=("full disk", ""))
    assert (code, other_code) == (2, 2)
    assert errors == ["each_process.py: error: run: the disk is full"]
    assert other_errors[-1] == f"each_process.py: error: {devices.LOST}"
    assert checkpoints.steps_made(tmp_path / "run") == 5


@pytest.mark.slow
@needs_jax
@pytest.mark.parametrize("place", [0, 1])
def test_when_a_process_is_killed_the_other_says_so_and_the_same_launch_resumes(tmp_path, place):
    ends = launch(tmp_path, faults=("killed", "") if place == 0 else ("", "killed"))
    assert ends[place][0] == -9
    code, _, errors = ends[1 - place]
    assert (code, errors[-1]) == (2, f"each_process.py: error: {devices.LOST}")
    first, other = launch(tmp_path)
    assert (first[0], other[0]) == (0, 0)
    assert "resuming at step 5 of 10" in first[1]


@pytest.mark.slow
@needs_jax
def test_all_processes_go_back_when_only_the_first_has_drawn_nan(tmp_path):
    first, other = launch(tmp_path, "--on-collapse", "restore", faults=("nan", "hurry"))
    assert (first[0], other[0]) == (0, 0)
    assert "since step 10: the generator's images are no longer finite numbers" in "".join(first[2])
    assert "restarted with a new seed, 1 of 3 times" in first[1]
    with np.load(tmp_path / "run_process0.npz") as ours, np.load(tmp_path / "run_process1.npz") as theirs:
        for key in ours.files:
            assert ours[key].tobytes() == theirs[key].tobytes()


@pytest.mark.slow
@needs_jax
def test_processes_of_different_commands_are_refused(tmp_path):
    for code, _, errors in launch(tmp_path, of_one=(("--seed", "1"), ("--on-collapse", "stop"))):
        assert code == 2 and len(errors) == 1
        assert "several processes: they differ in seed, on_collapse; start all with the same command" in errors[0]


def test_what_differs_among_processes_is_named(monkeypatch):
    rows = []
    monkeypatch.setattr(devices, "_gather", lambda numbers: rows.append(numbers) or np.stack(rows))
    devices.check_same({"seed": 1, "r1": 0.5, "the state": 5})
    with pytest.raises(cli.UserError, match="they differ in r1, the state; start all"):
        devices.check_same({"seed": 1, "r1": 0.25, "the state": None})


def test_processes_save_and_stop_only_where_they_agree(monkeypatch):
    monkeypatch.setattr(devices, "is_shared", lambda: True)
    monkeypatch.setattr(devices, "_gather", lambda numbers: np.stack([numbers, [0, 1]]))
    record = recorder.Recorder.__new__(recorder.Recorder)
    record.progress = recorder.Progress(step=9)
    assert record.agreed(2, 0) == (0, 0)
    record.progress.step = 10
    assert record.agreed(2, 0) == (2, 1)


@needs_jax
def test_without_tensorflow_a_run_trains_is_measured_and_draws_and_only_finding_faces_says_what_is_missing(tmp_path):
    dataset = tiny.save_blobs(tmp_path / "faces.npz")
    root, run = HELPERS.parents[1], tmp_path / "run"
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (64, 64)).save(tmp_path / "photos" / "one.png")
    process = start(
        {},
        *(HELPERS / "tiny.py", dataset, "--preset", "tiny", "--epochs", "1", "--out", run, "+"),
        *(root / "evaluate.py", run, "+"),
        *(root / "generate.py", run, "--faces", "1-4", "--out", tmp_path / "faces.png", "+"),
        *(root / "prepare_faces.py", tmp_path / "photos", "--out", tmp_path / "prepared.npz"),
    )
    out, errors = process.communicate(timeout=300)
    assert (run / "generator_best.h5").exists() and (tmp_path / "faces.png").exists(), errors
    assert list((run / "tensorboard").iterdir())
    assert "generator_model_001.h5" in out
    assert process.returncode == cli.EXIT_USER_ERROR
    assert "finding faces in photographs needs TensorFlow" in errors.splitlines()[-1]
    assert not list(tmp_path.glob("prepared*"))


def test_tensorflow_trains_on_one_of_several_gpus_and_says_so_in_one_line(monkeypatch, capsys):
    import tensorflow as tf

    gpus = [tf.config.PhysicalDevice(f"/physical_device:GPU:{number}", "GPU") for number in range(2)]
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: gpus)
    monkeypatch.setattr(
        tf.config.experimental,
        "get_device_details",
        lambda gpu: {"device_name": "A card", "compute_capability": (9, 0)},
    )
    device = hardware.find_device()
    assert device == hardware.Device("gpu", "A card", 2, True)
    devices.distribute(device)
    printed = "note: tensorflow trains on one of the 2 gpus here; KERAS_BACKEND=jax uses all\n"
    assert capsys.readouterr().out == printed
    assert keras.distribution.distribution() is None


def test_a_batch_that_does_not_divide_evenly_among_devices_is_refused_with_one_that_does(monkeypatch):
    monkeypatch.setattr(devices, "device_count", lambda: 4)
    devices.check_batch_size(64, 64)
    devices.check_batch_size(64, 32)
    with pytest.raises(ValueError, match=r"66: .* 4 devices; try 64, a multiple of 4"):
        devices.check_batch_size(66, 66)
    with pytest.raises(ValueError, match=r"66: .* 4 devices; try 64, a multiple of 8"):
        devices.check_batch_size(66, 33)


def test_a_process_takes_its_own_rows_of_every_batch(monkeypatch):
    batch = np.arange(8).reshape(4, 2), np.arange(6)
    monkeypatch.setattr(devices, "place", lambda: (1, 2))
    (own,) = devices.own_share([batch])
    assert [array.tolist() for array in own] == [[[4, 5], [6, 7]], [3, 4, 5]]
