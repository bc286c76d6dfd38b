"""One training step of a preset, computed under the backend in use and written to a file; run by test_backends.py."""

import dataclasses
import sys
from pathlib import Path

import keras
import numpy
import tiny

sys.path.insert(0, str(Path(__file__).parent.parent))

from facegan import gan, networks, presets


def main(name, path):
    preset = dataclasses.replace({**presets.PRESETS, **tiny.ROWS}[name], dropout=0.0, d_dropout=0.0)
    model = gan.GAN(
        networks.build_generator(preset, preset.image_shape),
        networks.build_discriminator(preset, preset.image_shape),
        networks.build_generator(preset, preset.image_shape, dtype="float32"),
        output=preset.output,
        update=preset.update,
        average=0.9,
    )
    random = numpy.random.RandomState(1)
    for network in (model.generator, model.discriminator):
        network.set_weights([spread(array, random) for array in network.get_weights()])
    model.averaged_generator.set_weights(model.generator.get_weights())
    # A step of plain gradient descent is the gradient times the rate; D's is small lest it be sure of all at once.
    model.compile(keras.optimizers.SGD(0.05), keras.optimizers.SGD(1.0), jit_compile=keras.backend.backend() == "jax")
    count = 4
    real = count if preset.update == "summed" else count // 2
    latents = random.standard_normal((count, preset.latent_dim)).astype("float32")
    batch = (tiny.blobs(real, preset.image_shape), latents)
    if not preset.shared_latents:
        batch += (latents[:real],)
    before = model.generator.get_weights(), model.discriminator.get_weights()
    history = model.fit((batch for _ in range(9)), steps_per_epoch=1, verbose=0, shuffle=False).history
    after = model.generator.get_weights(), model.discriminator.get_weights()
    results = {f"loss {key}": numpy.array(value) for key, value in history.items()}
    for label, old, new in zip(("generator", "discriminator"), before, after, strict=True):
        results |= {f"{label} {k}": b - a for k, (a, b) in enumerate(zip(old, new, strict=True))}
    results |= {f"average {k}": array for k, array in enumerate(model.averaged_generator.get_weights())}
    numpy.savez(path, **results)


def spread(array, random):
    """Weights that are not zero anywhere, of a size that keeps signals alive; variances must stay positive."""
    if array.ndim == 1:
        return (1.0 + 0.1 * random.uniform(-1, 1, array.shape)).astype("float32")
    fan_in = numpy.prod(array.shape[:-1])
    return (random.standard_normal(array.shape) / numpy.sqrt(fan_in)).astype("float32")


if __name__ == "__main__":
    main(*sys.argv[1:])
