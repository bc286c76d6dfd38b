"""The device that Keras's backend computes on, and why it is not the NVIDIA card that the machine has.

A backend that cannot use a card says so among other messages, if at all, and computes on the CPU, many times slower.
"""

import contextlib
import ctypes
import dataclasses
import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from facegan.common import cli

CHOICES = ("auto", "gpu", "cpu")
# What a driver leaves where there is a card: Linux, its containers, and WSL2. A container started without access to the
# card still sees it in /proc.
CARD_SIGNS = ("proc/driver/nvidia/gpus/*", "dev/nvidia[0-9]*", "usr/lib/wsl/lib/libcuda.so.1")
ROOT = Path("/")
# Prints the backend's own words about its devices on standard error.
PROBES = {
    "tensorflow": "import tensorflow as tf; tf.config.list_physical_devices('GPU')",
    "jax": "import jax; jax.devices()",
    "torch": "import torch; torch.cuda.init()",
}
WORDS = re.compile(r"gpu|cuda|nvidia|driver|libcu|cupti", re.IGNORECASE)
# JAX's packages for CUDA 12 go together with TensorFlow's, and run on drivers from 525 on.
PACKAGES = {"tensorflow": '"tensorflow[and-cuda]"', "jax": '"jax[cuda12]"', "torch": "torch"}
# glibc's M_MMAP_MAX, M_TRIM_THRESHOLD and M_TOP_PAD, in bytes: no block of pages of its own, and none given back.
MALLOC_SETTINGS = {-4: 0, -1: 2**31 - 1, -2: 2**28}
# CPU flags of hardware that multiplies bfloat16; without one, bfloat16 is emulated and slower than float32.
FAST_BFLOAT16_FLAGS = {"amx_bf16", "avx512_bf16"}


@dataclasses.dataclass(frozen=True)
class Device:
    """What a backend computes on.

    Attributes:
        kind: "cpu", "gpu" or "tpu". name: the model's name. count: how many there are.
        fast_bfloat16: whether it multiplies bfloat16 faster than float32.
    """

    kind: str
    name: str
    count: int
    fast_bfloat16: bool

    def __str__(self):
        return f"{self.count} x {self.kind} ({self.name})"


def add_argument(group):
    """Add the option --device to a parser or a group of options."""
    group.add_argument("--device", choices=CHOICES, default="auto", help="gpu: exit if no GPU can be used")


def hide_gpus():
    """Make backends imported from here on compute on the CPU."""
    os.environ.update(CUDA_VISIBLE_DEVICES="-1", JAX_PLATFORMS="cpu", KERAS_TORCH_DEVICE="cpu")


def keep_freed_memory():
    """Let the C library keep memory that is freed for later use, instead of giving it back to the system.

    A training step asks for hundreds of megabytes and frees them; each time, the system would give pages anew and fill
    them with zeros. Only glibc has these settings.
    """
    if platform.libc_ver()[0] == "glibc":
        for setting, value in MALLOC_SETTINGS.items():
            ctypes.CDLL(None).mallopt(setting, value)


def find_device():
    """The `Device` that the Keras backend in use computes on.

    Raises:
        ValueError: the backend cannot use any device.
    """
    import keras

    backend = keras.backend.backend()
    try:
        with cli.without_messages():
            return {"tensorflow": _tensorflow_device, "jax": _jax_device, "torch": _torch_device}[backend]()
    except RuntimeError as error:  # JAX's, where it has the package for a card and the card's driver fails
        raise ValueError(f"{backend}: cannot start ({str(error).splitlines()[0]}); {remedy(backend)}") from error


def _tensorflow_device():
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        return find_cpu()
    details = tf.config.experimental.get_device_details(gpus[0])
    capability = details.get("compute_capability", (0, 0))
    return Device("gpu", details.get("device_name", "GPU"), len(gpus), capability >= (8, 0))


def _jax_device():
    import jax

    devices = jax.devices()
    if devices[0].platform == "cpu":
        # JAX's CPU kernels gain nothing from bfloat16.
        return dataclasses.replace(find_cpu(), count=len(devices), fast_bfloat16=False)
    capability = str(getattr(devices[0], "compute_capability", "8.0"))
    return Device(devices[0].platform, devices[0].device_kind, len(devices), float(capability) >= 8.0)


def _torch_device():
    import torch

    if not torch.cuda.is_available():
        return dataclasses.replace(find_cpu(), fast_bfloat16=False)
    fast = torch.cuda.get_device_capability() >= (8, 0)
    return Device("gpu", torch.cuda.get_device_name(), torch.cuda.device_count(), fast)


def find_cpu():
    """The processor, as a `Device`."""
    name, flags = "CPU", set()
    # Only Linux lists the processor's features here; elsewhere float32 is the safe choice.
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                name = value.strip()
            if key.strip() == "flags":
                flags = set(value.split())
                break
    return Device("cpu", name, 1, bool(flags & FAST_BFLOAT16_FLAGS))


def resolve_precision(precision, device):
    """The Keras dtype policy for a precision on the command line: "auto" is the fastest that trains equally well."""
    if precision != "auto":
        return precision
    return "mixed_bfloat16" if device.fast_bfloat16 else "float32"


def compiles_with_xla(device):
    """Whether to compile a step with XLA: under TensorFlow that halves the speed on a CPU; JAX always does."""
    import keras

    return device.kind != "cpu" or keras.backend.backend() == "jax"


def check_address_space(needed):
    """Refuse a training that `ulimit -v` or a job's limit leaves no room for: TensorFlow would crash without a word.

    Args:
        needed: bytes that are certainly needed beyond those in use.

    Raises:
        cli.OutOfMemoryError: it does not fit.
    """
    sizes = Path("/proc/self/statm")
    if not sizes.exists():  # not Linux
        return
    import resource

    limit, used = resource.getrlimit(resource.RLIMIT_AS)[0], int(sizes.read_text().split()[0]) * resource.getpagesize()
    if limit != resource.RLIM_INFINITY and used + needed > limit:
        needs, limit = (f"{size / 2**30:.2f} GiB" for size in (used + needed, limit))
        raise cli.OutOfMemoryError(
            f"the memory is not enough: training needs at least {needs} of address space, and ulimit -v allows {limit}"
        )


def announce(wanted, device, precision):
    """Print the device, and on standard error why it is not a card that the machine has.

    Args:
        wanted: one of `CHOICES`. device: the `Device` in use. precision: the policy that it computes in.

    Raises:
        ValueError: `wanted` is "gpu", and the device is the CPU. Its text begins with `wanted`.
    """
    import keras

    backend = keras.backend.backend()
    if device.kind == "cpu" and wanted != "cpu":
        reason, advice = explain_cpu(backend)
        if wanted == "gpu":
            raise ValueError(f"{wanted}: {backend} finds no GPU ({reason}); {advice}")
        if has_card() and not _hidden_by(backend):
            print(f"warning: {backend} does not use this machine's NVIDIA card: {reason}", file=sys.stderr)
            print(f"  to use it: {advice}; to omit this warning: --device cpu", file=sys.stderr)
    version = importlib.metadata.version(backend)
    print(f"device: {device}, {backend} {version}, {precision}", flush=True)


def has_card():
    """Whether the machine has an NVIDIA card, by what its driver left."""
    return any(path for sign in CARD_SIGNS for path in ROOT.glob(sign))


def explain_cpu(backend):
    """Why a backend computes on the CPU.

    Returns:
        (the reason, the remedy).
    """
    if not has_card():
        return "this machine shows no NVIDIA card", "use --device cpu"
    if setting := _hidden_by(backend):
        return f"{setting} hides it", f"unset {setting.partition('=')[0]}"
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "0"}
    command = [sys.executable, "-c", PROBES[backend]]
    said = subprocess.run(command, env=environment, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True).stderr
    return reason_in(said), remedy(backend)


def _hidden_by(backend):
    """The environment's setting that hides GPUs from a backend on purpose, or None."""
    for name, hiding in (("CUDA_VISIBLE_DEVICES", ("", "-1")), ("JAX_PLATFORMS", ("cpu",))):
        if os.environ.get(name) in hiding and (backend == "jax" or name == "CUDA_VISIBLE_DEVICES"):
            return f"{name}={os.environ[name]}"
    return None


def reason_in(said):
    """What explains the lack of a GPU in a backend's messages: its last exception, else what they say of GPUs."""
    # TensorFlow's lines begin "I0000 00:00:1700000000.123456   4242 file.cc:31] ".
    lines = [re.sub(r"^[IWEF]\d{4} .*?\] ", "", line).strip() for line in said.splitlines()]
    raised = [line.partition(": ")[2] for line in lines if re.match(r"[\w.]*(Error|Exception): ", line)]
    about = raised[-1:] or list(dict.fromkeys(line for line in lines if WORDS.search(line)))[:2]
    return " ".join(line.rstrip(".")[:200] + "." for line in about).rstrip(".") or "it does not say why"


def remedy(backend):
    """What makes a backend use an NVIDIA card: mend the driver, if it does not work, or install CUDA's packages."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return "install NVIDIA's driver (libcuda.so.1 is missing), or start a container with --gpus all"
    if code := driver.cuInit(0):
        return f"mend NVIDIA's driver, which fails with CUDA error {code}; nvidia-smi says more"
    return f"pip install {PACKAGES[backend]}"


def report(device, precision):
    """Print what tells whether a GPU is used, and how fast it is: versions, cards, memory, matrix products."""
    import keras

    print(f"Python {sys.version.split()[0]}, Keras {keras.__version__}")
    if hasattr(os, "sysconf"):
        print(f"memory: {os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.1f} GiB")
    for card in _cards():
        print(f"card: {card}")
    side = 1024 if device.kind == "cpu" else 8192
    for dtype in dict.fromkeys(("float32", precision.removeprefix("mixed_"))):
        rate = matrix_rate(side, dtype)
        # TensorFlow and JAX let NVIDIA's newer cards round float32 products to 10 bits, which is called TF32.
        name = "float32 (or TF32)" if dtype == "float32" and device.kind == "gpu" else dtype
        print(f"product of {side:,} x {side:,} matrices, {name}: {rate / 1e12:.2f} TFLOP/s")


def _cards():
    """A line for each NVIDIA card from its driver's tool: name, driver, memory; none without the tool."""
    tool = shutil.which("nvidia-smi") or "/usr/lib/wsl/lib/nvidia-smi"
    query = "--query-gpu=name,driver_version,memory.total,memory.used"
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        command = [tool, query, "--format=csv,noheader"]
        answer = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, timeout=60)
        for line in answer.stdout.splitlines() if not answer.returncode else ():
            name, driver, total, used = (part.strip() for part in line.split(","))
            yield f"{name}, driver {driver}, {total}, of which {used} in use"


def matrix_rate(side, dtype, seconds=0.5):
    """Operations per second (floating point) of products of square matrices, measured for so many seconds."""
    from keras import ops, random

    matrix = ops.cast(random.normal((side, side)) / side**0.5, dtype)
    product, count = ops.matmul(matrix, matrix), 1
    while True:
        ops.convert_to_numpy(product[:1, :1])  # waits for what was asked of the device so far
        begun = time.perf_counter()
        for _ in range(count):
            product = ops.matmul(product, matrix)
        ops.convert_to_numpy(product[:1, :1])
        elapsed = time.perf_counter() - begun
        if elapsed > seconds / 2:
            return 2 * side**3 * count / elapsed
        count *= 2
