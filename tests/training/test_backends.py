"""The backends compute the same step, and what is written under one loads under the other."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

from facegan.common import generators
from facegan.training import backend, logs, presets

import numpy as np
import pytest
import tiny

HELPERS = Path(__file__).parents[1] / "helpers"
TINY = ["tiny", "tiny_halves", "tiny_batch_norm", "tiny_relativistic"]
OTHERS = [name for name in ("jax", "torch") if importlib.util.find_spec(name)]
pytestmark = pytest.mark.skipif(not OTHERS, reason="only one backend is installed")


def python(backend, *arguments):
    environment = {**os.environ, "KERAS_BACKEND": backend, "JAX_ENABLE_X64": str("float64" in arguments)}
    result = subprocess.run([sys.executable, *map(str, arguments)], env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-2000:]
    return result.stdout


def compute(backend, names, folder, dtype, *options):
    """The arrays of one training step of each preset, by name; one process computes them all."""
    folder.mkdir()
    python(backend, HELPERS / "parity.py", ",".join(names), folder, dtype, *options)
    steps = {}
    for name in names:
        with np.load(folder / f"{name}.npz") as file:
            steps[name] = {key: file[key].astype(np.float64) for key in file.files}
    return steps


@pytest.fixture(scope="module")
def tiny_steps(tmp_path_factory):
    folder = tmp_path_factory.mktemp("steps")
    return {backend: compute(backend, TINY, folder / backend, "float32") for backend in ("tensorflow", *OTHERS)}


def compare(ours, theirs):
    assert ours.keys() == theirs.keys()
    norms = {key: np.linalg.norm(value) for key, value in ours.items()}
    for kind in ("loss", "gradient discriminator", "gradient generator", "weights"):
        keys = [key for key in ours if key.startswith(kind)]
        largest = max(norms[key] for key in keys)
        for key in keys:
            # A small gradient that is the difference of large ones, as of a bias in front of batch norm, is as exact as
            # those: it is measured by the largest.
            scale = max(norms[key], 1e-2 * largest)
            assert difference(ours[key], theirs[key]) / scale < 1e-4, key
            assert "gradient" not in key or "kernel" not in key or norms[key] > 1e-4 * largest, key
    assert all(0.01 < norms[f"loss {name}"] < 20 for name in ("d_loss_real", "d_loss_generated", "g_loss"))


def difference(ours, theirs):
    """The norm of the difference of two arrays, the worst of many output channels left out.

    Of a million inputs of leaky ReLUs one may lie so near 0 that the backends' rounding puts it on either side, which
    shows in the gradients of one channel.
    """
    channels = np.sort(np.linalg.norm((ours - theirs).reshape(-1, ours.shape[-1]), axis=0))
    return np.linalg.norm(channels[:-1] if len(channels) > 3 else channels)


@pytest.mark.parametrize("backend", OTHERS)
@pytest.mark.parametrize("name", TINY)
def test_a_step_gives_the_same_losses_gradients_and_weights(tiny_steps, name, backend):
    compare(tiny_steps["tensorflow"][name], tiny_steps[backend][name])


@pytest.mark.slow
@pytest.mark.parametrize("backend", OTHERS)
@pytest.mark.parametrize("name", presets.PRESETS)
def test_a_step_of_every_preset_gives_the_same_losses_gradients_and_weights(tmp_path, name, backend):
    # In single precision the rounding of deep nets, up to 3e-3 of a gradient, would hide what is to be compared.
    def compare_steps(seed):
        folder = tmp_path / str(seed)
        folder.mkdir()
        compare(*(compute(each, [name], folder / each, "float64", 1, seed)[name] for each in ("tensorflow", backend)))

    try:
        compare_steps(seed=1)
    except AssertionError:
        # Images are in single precision: if one puts a unit at the bend of a leaky ReLU, rounding decides its slope.
        compare_steps(seed=2)


@pytest.mark.slow
@pytest.mark.parametrize("backend", OTHERS)
@pytest.mark.parametrize("name", ["tiny_halves", "tiny_relativistic"])
def test_a_batch_in_parts_gives_the_gradients_of_the_whole_under_other_backends_too(tmp_path, name, backend):
    whole, parts = (compute(backend, [name], tmp_path / str(count), "float32", count)[name] for count in (1, 2))
    for key in set(whole) - {"loss batch_diversity"}:
        np.testing.assert_allclose(parts[key], whole[key], rtol=1e-4, atol=1e-6, err_msg=key)


def test_reading_ahead_keeps_the_order_and_raises_what_the_stream_raises():
    def stream():
        yield from "abc"
        raise OSError("gone")

    ahead = backend.read_ahead(stream())
    assert [next(ahead) for _ in range(3)] == ["a", "b", "c"]
    with pytest.raises(OSError, match="gone"):
        next(ahead)
    assert list(backend.read_ahead("abc")) == ["a", "b", "c"]


@pytest.mark.parametrize("backend", OTHERS)
def test_a_run_begun_under_one_backend_resumes_under_another_and_its_generator_draws_there(tmp_path, backend):
    dataset = tiny.save_blobs(tmp_path / "faces.npz")
    command = (
        tiny.__file__,
        dataset,
        "--preset",
        "tiny",
        "--precision",
        "float32",
        "--no-quality",
        "--out",
        tmp_path / "run",
    )
    python("tensorflow", *command, "--epochs", "1")
    printed = python(backend, *command)
    assert "resuming at step 5 of 15" in printed
    assert "note: backend was tensorflow" in printed
    assert json.loads((tmp_path / "run" / "config.json").read_text())["backend"] == backend
    log = logs.read_table(tmp_path / "run" / "log.csv")
    assert [row["step"] for row in log] == [5, 10, 15]
    assert all(0.1 < row["d_loss_real"] < 2 for row in log)

    latents = np.random.RandomState(0).standard_normal((3, 8)).astype("float32")
    np.save(tmp_path / "latents.npy", latents)
    program = (
        "import sys, numpy as np; sys.path.insert(0, sys.argv[4]); from facegan.common import generators; "
        "np.save(sys.argv[3], generators.load_generator(sys.argv[1]).draw(np.load(sys.argv[2])))"
    )
    python(backend, "-c", program, tmp_path / "run", tmp_path / "latents.npy", tmp_path / "pixels.npy", HELPERS.parent)
    difference = np.load(tmp_path / "pixels.npy").astype(int) - generators.load_generator(tmp_path / "run").draw(
        latents
    )
    assert abs(difference).max() <= 1


@pytest.mark.slow
@pytest.mark.parametrize("backend", OTHERS)
def test_an_interrupted_run_resumes_to_the_bit_under_other_backends_too(tmp_path, backend):
    dataset = tiny.save_blobs(tmp_path / "faces.npz")
    command = (tiny.__file__, dataset, "--preset", "tiny_batch_norm", "--precision", "float32", "--no-quality", "--out")
    python(backend, *command, tmp_path / "whole", "--epochs", "2")
    python(backend, *command, tmp_path / "parts", "--steps", "7")
    python(backend, *command, tmp_path / "parts", "--epochs", "2")
    states = [np.load(tmp_path / name / "state.npz") for name in ("whole", "parts")]
    with states[0] as whole, states[1] as parts:
        for name in set(whole.files) - {"progress"}:
            assert whole[name].tobytes() == parts[name].tobytes(), name
