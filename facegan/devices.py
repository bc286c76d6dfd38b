"""What the machine has and what that makes of `--precision auto` and of XLA."""

import contextlib
import dataclasses
from pathlib import Path

# Two of these stand for hardware that multiplies bfloat16; without one, bfloat16 is emulated and slower than float32.
FAST_BFLOAT16_FLAGS = {"amx_bf16", "avx512_bf16"}


@dataclasses.dataclass(frozen=True)
class Device:
    """Where training runs.

    Attributes:
        kind: "cpu", "gpu" or "tpu". name: what to call it. count: how many there are.
        fast_bfloat16: whether it multiplies bfloat16 faster than float32.
    """

    kind: str
    name: str
    count: int
    fast_bfloat16: bool


def find_device():
    """The `Device` that the Keras backend in use trains on."""
    import keras

    return {"tensorflow": _tensorflow_device, "jax": _jax_device, "torch": _torch_device}[keras.backend.backend()]()


def resolve_precision(precision, device):
    """The Keras dtype policy that `--precision` means here: "auto" picks the faster one that trains as well."""
    if precision != "auto":
        return precision
    return "mixed_bfloat16" if device.fast_bfloat16 else "float32"


def compiles_with_xla(device):
    """Whether to compile a step with XLA: under TensorFlow that halves the speed on a CPU; JAX has nothing else."""
    import keras

    return device.kind != "cpu" or keras.backend.backend() == "jax"


def _tensorflow_device():
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        return _cpu()
    details = tf.config.experimental.get_device_details(gpus[0])
    capability = details.get("compute_capability", (0, 0))
    return Device("gpu", details.get("device_name", "GPU"), len(gpus), capability >= (8, 0))


def _jax_device():
    import jax

    devices = jax.devices()
    if devices[0].platform == "cpu":
        # Its CPU kernels gain nothing from bfloat16.
        return dataclasses.replace(_cpu(), count=len(devices), fast_bfloat16=False)
    capability = str(getattr(devices[0], "compute_capability", "8.0"))
    return Device(devices[0].platform, devices[0].device_kind, len(devices), float(capability) >= 8.0)


def _torch_device():
    import torch

    if not torch.cuda.is_available():
        return dataclasses.replace(_cpu(), fast_bfloat16=False)
    fast = torch.cuda.get_device_capability() >= (8, 0)
    return Device("gpu", torch.cuda.get_device_name(), torch.cuda.device_count(), fast)


def _cpu():
    name, flags = "CPU", set()
    # Only Linux tells here what the processor can do; elsewhere float32 is the safe choice.
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                name = value.strip()
            if key.strip() == "flags":
                flags = set(value.split())
                break
    return Device("cpu", name, 1, bool(flags & FAST_BFLOAT16_FLAGS))
