"""Training on several accelerators and several hosts.

Under JAX, Keras divides a batch among all devices and keeps a whole copy of the networks on each, so that a step is the
same computation on one device and on many: losses, batch norm and gradients are those of the whole batch. Under
TensorFlow and PyTorch, one device trains.
"""

import contextlib
import os
import sys
from pathlib import Path

import keras
import numpy as np

# Each holds the number of processes in a launch: Keras's own variable, and those of srun and of Open MPI's mpirun.
LAUNCHES = ("KERAS_DISTRIBUTION_NUM_PROCESSES", "SLURM_STEP_NUM_TASKS", "OMPI_COMM_WORLD_SIZE")


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
    try:
        keras.distribution.initialize()
    except (ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"the processes of this launch did not connect ({reason})") from None
    if not is_first():
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), sys.stdout.fileno())


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


def largest(number):
    """The largest of the numbers that all processes call this with; they wait for each other."""
    if place()[1] == 1:
        return number
    from jax.experimental import multihost_utils

    return int(multihost_utils.process_allgather(np.int32(number)).max())


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
