"""Several accelerators and hosts: each holds the networks and computes its share of every batch, under JAX.

Keras spreads a batch over all devices and leaves the networks whole on each, so that a step is the same computation on
one device and on many: losses, batch norm and gradients are those of the whole batch. Under TensorFlow and PyTorch one
device trains.
"""

import contextlib
import os
import sys
from pathlib import Path

import keras
import numpy

from facegan.commands import UserError

# Each holds the number of processes of a launch: Keras's own variable, and those of srun and of Open MPI's mpirun.
LAUNCHES = ("KERAS_DISTRIBUTION_NUM_PROCESSES", "SLURM_STEP_NUM_TASKS", "OMPI_COMM_WORLD_SIZE")


def join():
    """Meet the other processes of a launch, if this is one; to be called before anything asks for devices.

    Processes but the first are silent from here on, errors apart.
    """
    if keras.backend.backend() != "jax" or not any(os.environ.get(name, "1") != "1" for name in LAUNCHES):
        return
    # Without a seed Keras would agree on one by a computation on every host.
    keras.utils.set_random_seed(0)
    try:
        keras.distribution.initialize()
    except (ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"several processes: they did not meet ({reason}); see docs/where_it_runs.md") from None
    if not is_first():
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), sys.stdout.fileno())


def spread(device):
    """Let networks built from here on train on all devices, or say in one line why they do not.

    Args:
        device: the `devices.Device` in use; with one of it nothing changes.
    """
    if device.count < 2:
        return
    if keras.backend.backend() == "jax":
        keras.distribution.set_distribution(keras.distribution.DataParallel(auto_shard_dataset=False))
    else:
        name = keras.backend.backend()
        print(f"note: {name} trains on one of the {device.count} {device.kind}s here; KERAS_BACKEND=jax uses all")


def check_batch_size(batch_size, real_count):
    """Raise UserError unless every device gets as many images as any other.

    Args:
        batch_size: images generated for an update of G, over all devices. real_count: real images in it.
    """
    count = device_count()
    if real_count % count:
        unit = count * (batch_size // real_count)
        raise UserError(
            f"--batch-size {batch_size}: is spread over {count} devices; "
            f"try {max(1, round(batch_size / unit)) * unit}, a multiple of {unit}"
        )


def is_first():
    """Whether this process is the one that writes: the first of a launch, or the only one."""
    return place()[0] == 0


def is_shared():
    """Whether other processes train the same GAN."""
    return place()[1] > 1


def own_share(stream):
    """Of every batch of a stream, tuples of arrays, the rows that this process's devices compute."""
    number, count = place()
    if count == 1:
        return stream
    return (tuple(numpy.split(array, count)[number] for array in batch) for batch in stream)


def largest(number):
    """The largest of the numbers that the processes bring; they all wait for each other."""
    if place()[1] == 1:
        return number
    from jax.experimental import multihost_utils

    return int(multihost_utils.process_allgather(numpy.int32(number)).max())


@contextlib.contextmanager
def alone():
    """What this process builds and computes within is its own, on its first device; others may do nothing meanwhile."""
    everywhere = keras.distribution.distribution()
    keras.distribution.set_distribution(None)
    try:
        yield
    finally:
        keras.distribution.set_distribution(everywhere)


def own_copy(network):
    """The network itself, or where it is spread over devices a copy to draw with `alone`."""
    if device_count() == 1:
        return network
    with alone():
        copy = keras.models.clone_model(network)
        copy.set_weights(network.get_weights())
    return copy


def device_count():
    """Over how many devices a batch is spread."""
    everywhere = keras.distribution.distribution()
    return 1 if everywhere is None else everywhere.num_model_replicas


def place():
    """(number of this process, how many there are)."""
    if keras.backend.backend() != "jax":
        return 0, 1
    import jax

    return jax.process_index(), jax.process_count()
