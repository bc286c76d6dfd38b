"""Training on several accelerators and several hosts.

Under JAX, Keras divides a batch among all devices and keeps a whole copy of the networks on each, so that a step is the
same computation on one device and on many: losses, batch norm and gradients are those of the whole batch. Under
TensorFlow and PyTorch, one device trains.
"""

import contextlib
import ctypes
import json
import os
import signal
import sys
import zlib
from pathlib import Path

from facegan.common import cli

import keras
import numpy as np

# Each holds the number of processes in a launch: Keras's own variable, and those of srun and of Open MPI's mpirun.
LAUNCHES = ("KERAS_DISTRIBUTION_NUM_PROCESSES", "SLURM_STEP_NUM_TASKS", "OMPI_COMM_WORLD_SIZE")
LOST = (
    "several processes: another one of this launch has ended or never came, and its own message says why; "
    "start all of them again: the run resumes from its last saved state"
)
SIGNS_OF_LOSS = ("Gloo", "NCCL", "UNAVAILABLE", "DEADLINE_EXCEEDED")  # in JAX's errors when a process is gone


def join():
    """Connect to the other processes of a launch, if there are any; call it before anything asks for devices.

    From here on, all processes but the first print only errors.

    Raises:
        ValueError: they did not connect.
    """
    if keras.backend.backend() != "jax" or not any(os.environ.get(name, "1") != "1" for name in LAUNCHES):
        return
    # Without a seed, Keras would run a computation on every host to agree on one.
    keras.utils.set_random_seed(0)
    _explain_aborts()
    try:
        with _default_signals():
            keras.distribution.initialize()
    except (ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"the processes of this launch did not connect ({reason})") from None
    cli.end_at_once(True)
    if not is_first():
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), sys.stdout.fileno())


def _explain_aborts():
    """When JAX aborts this process since another one is gone, end with one line about it instead of a core dump."""

    def explain(number):
        with contextlib.suppress(OSError):
            os.write(2, f"{Path(sys.argv[0]).name}: error: {LOST}\n".encode())
        os._exit(cli.EXIT_USER_ERROR)

    # JAX aborts in a thread of its own, where Python's handlers are never called.
    _explain_aborts.handler = ctypes.CFUNCTYPE(None, ctypes.c_int)(explain)
    ctypes.CDLL(None).signal(signal.SIGABRT, _explain_aborts.handler)


@contextlib.contextmanager
def _default_signals():
    """Let Ctrl-C and SIGTERM end the process within the block, in which JAX waits and Python handles no signal."""
    numbers = signal.SIGINT, signal.SIGTERM
    before = [signal.signal(number, signal.SIG_DFL) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


@contextlib.contextmanager
def together():
    """A block that all processes end together. One that fails alone ends at once, and the others notice.

    Raises:
        cli.UserError: another process is gone.
    """
    try:
        yield
    except RuntimeError as error:
        if is_shared() and any(sign in str(error) for sign in SIGNS_OF_LOSS):
            raise cli.UserError(LOST) from error
        raise
    leave()


def leave():
    """Wait until all processes call this, and disconnect: from here on, each may end as it likes."""
    if is_shared():
        import jax

        jax.distributed.shutdown()
        cli.end_at_once(False)


def distribute(device):
    """Make networks built from here on train on all devices, or print in one line that they do not.

    Args:
        device: the `hardware.Device` in use; if there is only one, nothing changes.
    """
    if device.count < 2:
        return
    if keras.backend.backend() == "jax":
        keras.distribution.set_distribution(keras.distribution.DataParallel(auto_shard_dataset=False))
    else:
        name = keras.backend.backend()
        print(f"note: {name} trains on one of the {device.count} {device.kind}s here; KERAS_BACKEND=jax uses all")


def check_batch_size(batch_size, real_count):
    """Raise ValueError unless every device gets the same number of images.

    Args:
        batch_size: images generated for an update of G, over all devices. real_count: real images in it.
    """
    count = device_count()
    if real_count % count:
        unit = count * (batch_size // real_count)
        raise ValueError(
            f"{batch_size}: cannot be divided evenly among {count} devices; "
            f"try {max(1, round(batch_size / unit)) * unit}, a multiple of {unit}"
        )


def is_first():
    """Whether this process is the one that writes: the first of a launch, or the only one."""
    return place()[0] == 0


def is_shared():
    """Whether other processes train the same GAN."""
    return place()[1] > 1


def own_share(stream):
    """Of each batch in a stream (a tuple of arrays), the rows that this process's devices compute."""
    number, count = place()
    if count == 1:
        return stream
    return (tuple(np.split(array, count)[number] for array in batch) for batch in stream)


def largest(*numbers):
    """The largest of each of the numbers that all processes call this with; they wait for each other."""
    return tuple(map(int, _gather(np.array(numbers, np.int32)).max(axis=0)))


def check_same(values):
    """Check that all processes call this with the same values.

    Args:
        values: JSON data by name; the names are the same everywhere.

    Raises:
        cli.UserError: some differ; it is raised in all processes.
    """
    sums = [zlib.crc32(json.dumps(value, sort_keys=True).encode()) for value in values.values()]
    columns = _gather(np.array(sums, np.uint32)).T
    differing = [name for name, column in zip(values, columns, strict=True) if (column != column[0]).any()]
    if differing:
        leave()
        remedy = "start all with the same command and data, and with --out on a shared disk"
        raise cli.UserError(f"several processes: they differ in {', '.join(differing)}; {remedy}")


def _gather(numbers):
    """The arrays of all processes as rows; they wait for each other."""
    if not is_shared():
        return numbers[None]
    from jax.experimental import multihost_utils

    return multihost_utils.process_allgather(numbers)


@contextlib.contextmanager
def alone():
    """Within the block, this process builds and computes on its first device only; the others must be idle."""
    everywhere = keras.distribution.distribution()
    keras.distribution.set_distribution(None)
    try:
        yield
    finally:
        keras.distribution.set_distribution(everywhere)


def own_copy(network):
    """The network itself, or if it is on several devices, a copy to draw with inside `alone`."""
    if device_count() == 1:
        return network
    with alone():
        copy = keras.models.clone_model(network)
        copy.set_weights(network.get_weights())
    return copy


def device_count():
    """How many devices share a batch."""
    everywhere = keras.distribution.distribution()
    return 1 if everywhere is None else everywhere.num_model_replicas


def place():
    """(the number of this process, how many processes there are)."""
    if keras.backend.backend() != "jax":
        return 0, 1
    import jax

    return jax.process_index(), jax.process_count()
