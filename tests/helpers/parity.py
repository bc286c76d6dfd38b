"""One training step of presets, computed under the backend in use and written to files; run by test_backends.py."""

import dataclasses
import sys
from pathlib import Path

import keras
import numpy as np
import tiny

sys.path.insert(0, str(Path(__file__).parents[2]))

from facegan.training import gan, presets


def main(names, folder, dtype, accumulate=1, seed=1):
    """Write FOLDER/NAME.npz for each of the names, separated by commas."""
    for name in names.split(","):
        np.savez(Path(folder, f"{name}.npz"), **step(name, dtype, int(accumulate), int(seed)))


def step(name, dtype, accumulate, seed):
    """The losses, gradients and weights of a step, by name."""
    preset = dataclasses.replace({**presets.PRESETS, **tiny.ROWS}[name], dropout=0.0, d_dropout=0.0)
    options = {"precision": dtype, "ema_decay": 0.9, "accumulate": accumulate}
    model = gan.GAN.from_preset(preset, preset.image_shape, to_train=False, **options)
    random = np.random.RandomState(seed)
    for network in (model.generator, model.discriminator):
        network.set_weights([spread(variable, random) for variable in network.weights])
    model.averaged_generator.set_weights(model.generator.get_weights())
    # The first step with momentum is plain descent, and the momentum it leaves is the gradient times the rate, not
    # rounded to the size of a weight. D's rate is small lest it be sure of all at once.
    optimizers = keras.optimizers.SGD(0.001, momentum=0.5), keras.optimizers.SGD(0.05, momentum=0.5)
    model.compile(*optimizers, jit_compile=keras.backend.backend() == "jax")
    count = 4
    real = count if preset.update == "summed" else count // 2
    latents = random.standard_normal((count, preset.latent_dim)).astype("float32")
    batch = (tiny.blobs(real, preset.image_shape), latents)
    if not preset.shared_latents:
        batch += (latents[:real],)
    history = model.fit((batch for _ in range(9)), steps_per_epoch=1, verbose=0, shuffle=False).history
    results = {f"loss {key}": np.array(value) for key, value in history.items()}
    networks_and_optimizers = (model.discriminator, model.d_optimizer), (model.generator, model.optimizer)
    for network, optimizer in networks_and_optimizers:
        for variable, momentum in zip(network.trainable_variables, optimizer.momentums, strict=True):
            results[f"gradient {network.name}/{variable.path}"] = keras.ops.convert_to_numpy(momentum)
    for label in ("discriminator", "generator", "averaged_generator"):
        weights = getattr(model, label).get_weights()
        results |= {f"weights {label} {k}": array for k, array in enumerate(weights)}
    return results


def spread(variable, random):
    """Weights that are not zero anywhere, of a size that keeps signals alive; scales and variances near one."""
    if len(variable.shape) == 1:
        return (variable.numpy().round() + 0.1 * random.uniform(-1, 1, variable.shape)).astype("float32")
    fan_in = np.prod(variable.shape[:-1])
    return (random.standard_normal(variable.shape) / np.sqrt(fan_in)).astype("float32")


if __name__ == "__main__":
    main(*sys.argv[1:])
