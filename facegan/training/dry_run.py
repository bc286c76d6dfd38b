"""What a training run will need, before it starts: memory, time, and a diagram of the networks."""

import dataclasses
import importlib.util
import json
import math
import shutil
import time

from facegan.training import loop
from facegan.training.logs import duration

import numpy as np

NO_DIAGRAMS = "none; they need both pip install pydot and apt install graphviz"


def report(gan, batches, schedule, *, config, folder):
    """Print what a run would be: settings, networks, memory, and the time per epoch, from two timed steps.

    Args:
        gan: a compiled GAN; it is trained for three steps. batches: a `batches.Batches`. schedule: a `loop.Schedule`.
        config: a `run_config.RunConfig`. folder: where diagrams are written.

    Raises:
        loop.OutOfMemoryError: there is not enough memory.
    """
    print(json.dumps({**dataclasses.asdict(config), "held_out_rows": len(config.held_out_rows)}, indent=1))
    gan.generator.summary()
    gan.discriminator.summary()
    show_composite(gan.generator, gan.discriminator)
    part = (count // config.accumulate for count in (batches.batch_size, batches.real_count))
    bytes_needed = memory(gan, *part)
    with loop.explained_limits():
        seconds = seconds_per_step(gan, batches)
    pictures = draw_diagrams(gan, folder)
    print(f"memory for this batch size: about {bytes_needed / 2**30:.1f} GiB")
    print(f"an epoch of {schedule.epoch:,} steps: about {duration(seconds * schedule.epoch)}")
    kimg = schedule.total * batches.real_count / 1000
    print(f"the whole run of {schedule.total:,} steps, {kimg:,.0f} kimg: about {duration(seconds * schedule.total)}")
    print(f"diagrams: {', '.join(pictures) or NO_DIAGRAMS}")


def show_composite(generator, discriminator):
    """Print the composite model, D on top of G, through which G learns; it exists only to be counted."""
    import keras

    composite = keras.Sequential([generator, discriminator], name="generator_then_discriminator")
    composite.summary()
    trained = sum(math.prod(variable.shape) for variable in generator.trainable_variables)
    print(f"composite model: {composite.count_params():,} parameters, {trained:,} of them trained by G's update")


def memory(gan, batch_size, real_count):
    """Estimate the bytes that a training step needs: variables, gradients, and outputs kept for the backward pass.

    Args:
        gan: a compiled GAN. batch_size: images of G's update, at a time. real_count: images of each kind in D's.
    """
    itemsize = 2 if "float16" in gan.generator.compute_dtype else 4
    variables = sum(
        math.prod(variable.shape) * 4
        for owner in (gan.generator, gan.discriminator, gan.averaged_generator, gan.optimizer, gan.d_optimizer)
        for variable in owner.variables
    )
    gradients = sum(math.prod(variable.shape) * 4 for variable in gan.generator.trainable_variables)
    generator, discriminator = (_outputs(network) * itemsize for network in (gan.generator, gan.discriminator))
    kept = max(batch_size * (generator + discriminator), 2 * real_count * discriminator)
    return variables + gradients + 2 * kept


def _outputs(network):
    """The number of values that all layers of a network output for one image."""
    return sum(math.prod(layer.output.shape[1:]) for layer in network.layers)


def seconds_per_step(gan, batches):
    """Seconds per step, from the second and third; the first one compiles."""
    import keras

    times = []
    clock = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: times.append(time.perf_counter()))
    gan.fit(batches.from_step(0), steps_per_epoch=3, verbose=0, shuffle=False, callbacks=[clock])
    return float(np.diff(times).mean())


def draw_diagrams(gan, folder):
    """Draw both networks as PNG if pydot and graphviz are installed; return the names of the files written."""
    import keras

    if importlib.util.find_spec("pydot") is None or shutil.which("dot") is None:
        return []
    written = []
    for network in (gan.generator, gan.discriminator):
        path = folder / f"{network.name}.png"
        keras.utils.plot_model(network, path, show_shapes=True)
        written.append(str(path))
    return written
