"""Measures the images per second of the tutorials' training loop on Keras 2, and of the usual DCGAN class on Keras 3.

    python benchmarks/tutorial_loop.py --preset cifar32 --batch-size 64 --steps 30

Prints one line for each; writes nothing. The networks are those of the preset (faces80 or cifar32, the ones without
batch norm), float32, on random images; a rate is batch size x steps / seconds, the first steps left out. The
tutorials' loop needs tf_keras: pip install tf_keras.
"""

import importlib.util
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from facegan.common import cli
from facegan.training import presets

PLAIN = [name for name, row in presets.PRESETS.items() if not row.batch_norm and row.output == "tanh"]
WARM_UP = 5


def main():
    parser = cli.parser(__doc__)
    parser.add_argument("--preset", default="cifar32", choices=PLAIN, help="whose networks; default %(default)s")
    parser.add_argument("--batch-size", type=cli.integer(2), default=64, help="default %(default)s")
    parser.add_argument("--steps", type=cli.integer(1), default=30, help="to measure; default %(default)s")
    options = parser.parse_args()
    preset = presets.PRESETS[options.preset]
    for name, measure in (("tutorial loop, Keras 2", tutorial_rate), ("usual class, Keras 3", usual_rate)):
        rate = measure(preset, options.batch_size, options.steps)
        print(f"{name:24} {rate:8.1f} images/s")


def networks(library, preset):
    """Build a preset's generator and a discriminator that ends in a sigmoid, as the tutorials do.

    Args:
        library: the module `keras` or `tf_keras`. preset: a row without batch norm.
    """
    layers = library.layers
    height, width, channels = preset.image_shape
    count = len(preset.upsampling_blocks)
    smallest = (height >> count, width >> count, preset.stem)
    generator = [library.Input((preset.latent_dim,)), layers.Dense(int(np.prod(smallest))), layers.LeakyReLU(0.2)]
    generator += [layers.Reshape(smallest)]
    for filters, kernel in preset.upsampling_blocks:
        generator += [layers.Conv2DTranspose(filters, kernel, strides=2, padding="same"), layers.LeakyReLU(0.2)]
    generator += [layers.Conv2D(channels, preset.head, activation="tanh", padding="same")]

    filters, kernel = preset.d_stem
    discriminator = [library.Input(preset.image_shape), layers.Conv2D(filters, kernel, padding="same")]
    discriminator += [layers.LeakyReLU(0.2)]
    for filters, kernel in preset.downsampling_blocks:
        discriminator += [layers.Conv2D(filters, kernel, strides=2, padding="same"), layers.LeakyReLU(0.2)]
    discriminator += [layers.Flatten(), layers.Dropout(preset.d_dropout), layers.Dense(1, activation="sigmoid")]
    return library.Sequential(generator), library.Sequential(discriminator)


def tutorial_rate(preset, batch_size=64, steps=30):
    """Images per second of the tutorials' loop on Keras 2: D on real images, D on generated ones, G through a stack.

    Each of the three is a call from Python, on arrays that are drawn and scaled outside TensorFlow.
    """
    if not importlib.util.find_spec("tf_keras"):
        raise cli.UserError("the tutorials' loop needs Keras 2: pip install tf_keras")
    import tf_keras

    generator, discriminator = networks(tf_keras, preset)
    adam = {"learning_rate": preset.learning_rate, "beta_1": preset.beta_1}
    discriminator.compile(tf_keras.optimizers.Adam(**adam), "binary_crossentropy", metrics=["accuracy"])
    discriminator.trainable = False
    stack = tf_keras.Sequential([generator, discriminator])
    stack.compile(tf_keras.optimizers.Adam(**adam), "binary_crossentropy")
    real_images, half = random_images(preset), batch_size // 2

    def latents(count):
        return np.random.randn(count, preset.latent_dim).astype("float32")

    for step in range(WARM_UP + steps):
        if step == WARM_UP:
            start = time.perf_counter()
        chosen = np.random.randint(0, len(real_images), half)
        discriminator.train_on_batch(real_images[chosen], np.ones((half, 1)))
        generated_images = generator.predict(latents(half), verbose=0)
        discriminator.train_on_batch(generated_images, np.zeros((half, 1)))
        stack.train_on_batch(latents(batch_size), np.ones((batch_size, 1)))
    return batch_size * steps / (time.perf_counter() - start)


def usual_rate(preset, batch_size=64, steps=30):
    """Images per second of the usual DCGAN class on Keras 3 with its defaults: D once on both kinds, then G, by fit.

    D sees `batch_size` real and as many generated images in one batch, so a step costs more than one of the tutorials.
    """
    import keras
    import tensorflow as tf

    generator, discriminator = networks(keras, preset)
    gan = usual_class(keras, tf)(generator, discriminator, preset.latent_dim)
    optimizers = [keras.optimizers.Adam(preset.learning_rate, beta_1=preset.beta_1) for _ in range(2)]
    gan.compile(*optimizers, keras.losses.BinaryCrossentropy())
    data = tf.data.Dataset.from_tensor_slices(random_images(preset)).repeat().shuffle(1024).batch(batch_size)
    clock = step_clock(keras)
    gan.fit(data.prefetch(2), steps_per_epoch=WARM_UP + steps, verbose=0, callbacks=[clock])
    return batch_size * steps / (clock.times[-1] - clock.times[WARM_UP - 1])


def usual_class(keras, tf):
    class UsualGAN(keras.Model):
        def __init__(self, generator, discriminator, latent_dim):
            super().__init__()
            self.generator, self.discriminator, self.latent_dim = generator, discriminator, latent_dim

        def compile(self, d_optimizer, g_optimizer, loss_fn):
            super().compile()
            self.d_optimizer, self.g_optimizer, self.loss_fn = d_optimizer, g_optimizer, loss_fn

        def train_step(self, real_images):
            count = tf.shape(real_images)[0]
            generated_images = self.generator(tf.random.normal((count, self.latent_dim)))
            both = tf.concat([generated_images, real_images], axis=0)
            labels = tf.concat([tf.zeros((count, 1)), tf.ones((count, 1))], axis=0)
            with tf.GradientTape() as tape:
                d_loss = self.loss_fn(labels, self.discriminator(both, training=True))
            self.move(self.discriminator, self.d_optimizer, tape, d_loss)
            with tf.GradientTape() as tape:
                drawn = self.generator(tf.random.normal((count, self.latent_dim)), training=True)
                g_loss = self.loss_fn(tf.ones((count, 1)), self.discriminator(drawn, training=True))
            self.move(self.generator, self.g_optimizer, tape, g_loss)
            return {"d_loss": d_loss, "g_loss": g_loss}

        def move(self, network, optimizer, tape, loss):
            variables = network.trainable_weights
            optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))

    return UsualGAN


def step_clock(keras):
    class StepClock(keras.callbacks.Callback):
        times = ()

        def on_train_batch_end(self, batch, logs=None):
            float(logs["g_loss"])  # waits until the step is done
            self.times = (*self.times, time.perf_counter())

    return StepClock()


def random_images(preset, count=2_000):
    return np.random.uniform(-1, 1, (count, *preset.image_shape)).astype("float32")


if __name__ == "__main__":
    cli.run(main)
