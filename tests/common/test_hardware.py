"""A run names its device, and says why it does not use a card that the machine has."""

import ctypes
import os
import platform
import resource
import shlex
import subprocess
import sys
from pathlib import Path

from facegan.common import cli, hardware

import pytest
import tiny
from PIL import Image
from prepare_runs import refused
from short_runs import FAST

ROOT = Path(__file__).resolve().parents[2]

C_LIBRARY = ctypes.CDLL(None)
CPU = hardware.Device("cpu", "A processor", 1, False)
SAID = "I0000 00:00:1795551557.3223   10541 cudart_stub.cc:31] Could not find cuda drivers on your machine.\n"


@pytest.fixture
def card(monkeypatch, tmp_path):
    """A machine that has a card, which TensorFlow does not see, and no working driver."""
    (tmp_path / "machine" / "dev").mkdir(parents=True)
    (tmp_path / "machine" / "dev" / "nvidia0").touch()
    monkeypatch.setattr(hardware, "ROOT", tmp_path / "machine")
    monkeypatch.setitem(hardware.PROBES, "tensorflow", f"import sys; sys.exit({SAID!r})")
    monkeypatch.setattr(ctypes, "CDLL", missing_library)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def missing_library(name):
    if name is None:  # the C library, which training sets up
        return C_LIBRARY
    raise OSError(f"{name}: cannot open shared object file")


@pytest.mark.parametrize(
    "sign", ["dev/nvidia0", "proc/driver/nvidia/gpus/0000:01:00.0", "usr/lib/wsl/lib/libcuda.so.1"]
)
def test_a_card_is_known_by_what_its_driver_leaves(monkeypatch, tmp_path, sign):
    monkeypatch.setattr(hardware, "ROOT", tmp_path)
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev" / "nvidiactl").touch()
    assert not hardware.has_card()
    (tmp_path / sign).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / sign).touch()
    assert hardware.has_card()


def test_a_card_that_is_not_used_is_said_in_two_lines_with_the_reason_and_the_remedy(card, capsys):
    hardware.announce("auto", CPU, "float32")
    printed = capsys.readouterr()
    assert printed.out.startswith("device: 1 x cpu (A processor), tensorflow 2.")
    assert printed.out.endswith(", float32\n")
    assert printed.err == (
        "warning: tensorflow does not use this machine's NVIDIA card: Could not find cuda drivers on your machine\n"
        "  to use it: install NVIDIA's driver (libcuda.so.1 is missing), or start a container with --gpus all; "
        "to omit this warning: --device cpu\n"
    )


def test_nothing_is_said_where_the_cpu_was_asked_for_or_the_card_is_hidden_or_there_is_none(
    card, monkeypatch, tmp_path, capsys
):
    hardware.announce("cpu", CPU, "float32")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    hardware.announce("auto", CPU, "float32")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    monkeypatch.setattr(hardware, "ROOT", tmp_path / "elsewhere")
    hardware.announce("auto", CPU, "float32")
    assert capsys.readouterr().err == ""


def test_a_gpu_that_was_asked_for_and_is_not_there_is_an_error_that_says_why(card, monkeypatch, tmp_path):
    with pytest.raises(ValueError, match=r"^gpu: tensorflow finds no GPU \(Could not find cuda drivers"):
        hardware.announce("gpu", CPU, "float32")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(ValueError, match=r"\(CUDA_VISIBLE_DEVICES= hides it\); unset CUDA_VISIBLE_DEVICES$"):
        hardware.announce("gpu", CPU, "float32")
    monkeypatch.setattr(hardware, "ROOT", tmp_path / "elsewhere")
    with pytest.raises(ValueError, match=r"shows no NVIDIA card\); use --device cpu$"):
        hardware.announce("gpu", CPU, "float32")


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_a_gpu_is_named_with_its_count_and_the_precision(capsys, precision):
    hardware.announce("gpu", hardware.Device("gpu", "A card", 2, True), precision)
    printed = capsys.readouterr()
    assert printed.out.startswith("device: 2 x gpu (A card), tensorflow 2.") and printed.err == ""
    assert printed.out.endswith(f", {precision}\n")


class Driver:
    """What `ctypes` gives for a driver's library, which starts with this code, 0 meaning success."""

    def __init__(self, code):
        self.cuInit = lambda flags: code


@pytest.mark.parametrize(
    ("backend", "driver", "words"),
    [
        ("jax", Driver(0), 'pip install "jax[cuda12]"'),
        ("tensorflow", Driver(0), 'pip install "tensorflow[and-cuda]"'),
        ("torch", Driver(0), "pip install torch"),
        ("jax", Driver(803), "mend NVIDIA's driver, which fails with CUDA error 803; nvidia-smi says more"),
    ],
)
def test_the_remedy_is_the_packages_for_the_driver_or_the_driver_itself(monkeypatch, backend, driver, words):
    monkeypatch.setattr(ctypes, "CDLL", lambda name: driver)
    assert hardware.remedy(backend) == words


# What the libraries said where a card was pretended: without and with the packages for CUDA, none with a driver.
MESSAGES = {
    "Could not find cuda drivers on your machine, GPU will not be used. "
    "failed call to cuInit: INTERNAL: CUDA error: Failed call to cuInit: UNKNOWN ERROR (303)": """\
WARNING: All log messages before absl::InitializeLog() is called are written to STDERR
I0000 00:00:1795551557.321965   10541 port.cc:153] oneDNN custom operations are on. You may see slightly different
I0000 00:00:1795551557.322   10541 cudart_stub.cc:31] Could not find cuda drivers on your machine, GPU will not be used.
I0000 00:00:1795551557.396961   10541 cpu_feature_guard.cc:227] This TensorFlow binary is optimized to use available CPU
I0000 00:00:1795551561.996   10541 cudart_stub.cc:31] Could not find cuda drivers on your machine, GPU will not be used.
E0000 00:00:1795551563.719289   10541 cuda_platform.cc:52] failed call to cuInit: INTERNAL: CUDA error: Failed call to \
cuInit: UNKNOWN ERROR (303)
""",
    "An NVIDIA GPU may be present on this machine, but a CUDA-enabled jaxlib is not installed.": """\
An NVIDIA GPU may be present on this machine, but a CUDA-enabled jaxlib is not installed.
""",
    "Unable to load cuPTI. Is it installed?": """\
Jax plugin configuration error: Exception when calling jax_plugins.xla_cuda13.initialize()
Traceback (most recent call last):
  File "jax_plugins/xla_cuda13/__init__.py", line 201, in _version_check
    version = get_version()
RuntimeError: jaxlib/cuda/versions_helpers.cc:52: operation cuptiGetVersion(&version) failed: Unknown CUPTI error 999.

The above exception was the direct cause of the following exception:

RuntimeError: Unable to load cuPTI. Is it installed?
An NVIDIA GPU may be present on this machine, but a CUDA-enabled jaxlib is not installed.
""",
    "it does not say why": "",
}


@pytest.mark.parametrize(("reason", "said"), MESSAGES.items())
def test_the_reason_is_what_a_backend_says_of_gpus_without_the_rest(reason, said):
    assert hardware.reason_in(said).rstrip(".") == reason.rstrip(".")


@pytest.mark.slow
def test_tensorflow_itself_gives_a_reason(card, monkeypatch):
    monkeypatch.undo()
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(hardware, "has_card", lambda: True)
    reason, _ = hardware.explain_cpu("tensorflow")
    assert "cuda" in reason.lower()


def test_check_device_needs_no_data_and_prints_versions_cards_and_speed(card, monkeypatch, tmp_path, capsys):
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'NVIDIA H100, 580.95.05, 81559 MiB, 4 MiB'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert tiny.train(monkeypatch, "--check-device", "--precision", "mixed_bfloat16") == 0
    printed = capsys.readouterr()
    assert "does not use this machine's NVIDIA card" in printed.err
    first, *lines = printed.out.splitlines()
    assert first.startswith("device: 1 x cpu (") and first.endswith(", mixed_bfloat16")
    assert lines[0].startswith("Python 3.") and "Keras 3." in lines[0]
    assert "card: NVIDIA H100, driver 580.95.05, 81559 MiB, of which 4 MiB in use" in lines
    assert [line.split(":")[0].split(", ")[-1] for line in lines[-2:]] == ["float32", "bfloat16"]
    assert all(line.endswith(" TFLOP/s") for line in lines[-2:])


@pytest.mark.parametrize(("kind", "name"), [("cpu", "float32"), ("gpu", "float32 (or TF32)")])
def test_check_device_says_that_a_cards_float32_products_may_be_rounded(monkeypatch, capsys, kind, name):
    monkeypatch.setattr(hardware, "matrix_rate", lambda side, dtype: 1e12)
    hardware.report(hardware.Device(kind, "a name", 1, fast_bfloat16=True), "mixed_bfloat16")
    *_, product, other = capsys.readouterr().out.splitlines()
    assert product.endswith(f" matrices, {name}: 1.00 TFLOP/s")
    assert other.endswith(" matrices, bfloat16: 1.00 TFLOP/s")


def test_scripts_refuse_to_start_without_the_gpu_that_they_were_asked_for(card, monkeypatch, tmp_path, dataset, capsys):
    options = ("--preset", "tiny", "--out", tmp_path / "run", *FAST, "--device", "gpu")
    assert tiny.train(monkeypatch, dataset, *options) == 2
    assert not (tmp_path / "run").exists()
    printed = capsys.readouterr().err
    assert printed.startswith("train_gan.py: error: --device gpu: tensorflow finds no GPU") and printed.count("\n") == 1
    photos = tmp_path / "photos"
    photos.mkdir()
    Image.new("RGB", (64, 64)).save(photos / "one.png")
    assert refused(photos, "--out", tmp_path / "faces80.npz", "--device", "gpu").startswith("--device gpu: tensorflow")
    assert not (tmp_path / "faces80.npz").exists()


def test_a_backend_that_cannot_start_is_an_error_in_one_line(card, monkeypatch, capsys):
    import tensorflow as tf

    def fail(kind):
        raise RuntimeError("Unable to initialize backend 'cuda': no driver\nmore")

    monkeypatch.setattr(tf.config, "list_physical_devices", fail)
    assert tiny.train(monkeypatch, "--check-device") == 2
    printed = capsys.readouterr().err
    assert "KERAS_BACKEND tensorflow: cannot start (Unable to initialize backend 'cuda': no driver); " in printed
    assert printed.count("\n") == 1


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have no such settings")
def test_memory_that_training_frees_stays_with_the_process():
    code = """
import resource, sys
from facegan.common import hardware
import numpy as np
if sys.argv[1] == "keep":
    hardware.keep_freed_memory()
np.ones(2**24)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    np.ones(2**24)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    faults = {
        how: int(subprocess.run([sys.executable, "-c", code, how], env=environment, capture_output=True).stdout)
        for how in ("keep", "return")
    }
    assert 10 * faults["keep"] < faults["return"]


@pytest.mark.parametrize(("given", "used"), [({}, "1"), ({"TF_ENABLE_ONEDNN_OPTS": "0"}, "0")])
def test_tensorflows_fast_convolutions_are_on_unless_switched_off(tmp_path, given, used):
    (tmp_path / "keras.py").touch()  # the real one takes seconds to import
    code = "import os\nfrom facegan.common import cli\ncli.import_keras()\nprint(os.environ['TF_ENABLE_ONEDNN_OPTS'])"
    environment = {name: value for name, value in os.environ.items() if name != "TF_ENABLE_ONEDNN_OPTS"}
    environment |= {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}", "KERAS_BACKEND": "tensorflow", **given}
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert result.stdout.strip() == used


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux")
def test_a_limit_of_the_address_space_refuses_only_what_certainly_does_not_fit(monkeypatch):
    limits = [resource.RLIM_INFINITY, 1 << 45, 1 << 30]
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (limits[0], limits[0]))
    while len(limits) > 1:
        hardware.check_address_space(1 << 30)
        limits.pop(0)
    with pytest.raises(cli.OutOfMemoryError, match=r"needs at least .* GiB of address space, and ulimit -v allows 1.0"):
        hardware.check_address_space(1 << 30)


@pytest.mark.slow  # imports TensorFlow several times
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux")
@pytest.mark.parametrize("kilobytes", [1_000_000, 1_500_000, 2_000_000, 2_500_000])
def test_training_under_a_limit_of_memory_is_one_line(tmp_path, dataset, kilobytes):
    script = Path(__file__).parents[2] / "train_gan.py"
    words = [sys.executable, script, dataset, "--preset", "faces32", "--batch-size", "20", "--out", tmp_path / "run"]
    command = f"ulimit -v {kilobytes}; exec {shlex.join(map(str, words))}"
    result = subprocess.run(command, shell=True, capture_output=True, text=True)
    assert result.returncode == 2
    assert "the memory is not enough" in result.stderr and result.stderr.count("\n") == 1
