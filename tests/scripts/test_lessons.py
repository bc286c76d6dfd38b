"""What the tutorials show on the way, as claims: D learns alone, an untrained G draws noise, the loss by hand."""

from facegan.common import images
from facegan.training import gan, losses, networks, presets

import keras
import matplotlib.cbook
import numpy as np
import pytest
from PIL import Image, ImageFilter


def patches(count, shape, seed=1):
    """Random patches of the photograph that matplotlib ships, uint8 (count, height, width, channels).

    Grey patches are cut from its edges, light strokes on black like digits: parts of the photograph itself are as
    bright as noise in 0..1, and D would need more steps.
    """
    height, width, channels = shape
    with matplotlib.cbook.get_sample_data("grace_hopper.jpg") as file:
        photograph = Image.open(file).convert("L" if channels == 1 else "RGB")
    if channels == 1:
        photograph = photograph.filter(ImageFilter.FIND_EDGES)
    photograph = np.asarray(photograph).reshape(photograph.height, photograph.width, channels)
    random = np.random.RandomState(seed)
    tops = random.randint(photograph.shape[0] - height, size=count)
    lefts = random.randint(photograph.shape[1] - width, size=count)
    cut = zip(tops, lefts, strict=True)
    return np.stack([photograph[top : top + height, left : left + width] for top, left in cut])


def noise_generator(shape):
    """A network that returns its latents as images: uniform noise stays uniform noise, trained or not."""
    source = keras.Input(shape)
    same = keras.layers.Dense(shape[-1], use_bias=False, kernel_initializer="identity")
    return keras.Model(source, same(source))


class Accuracies(keras.callbacks.Callback):
    """Keeps D's accuracy at each step: the mean of its accuracies on real images and on noise."""

    def on_train_begin(self, logs=None):
        self.values = []

    def on_train_batch_end(self, batch, logs=None):
        self.values.append((logs["d_accuracy_real"] + logs["d_accuracy_generated"]) / 2)


def accuracies_against_noise(preset, steps):
    """D's accuracy at each step when it is trained alone, on patches of a photograph against uniform noise."""
    keras.utils.set_random_seed(7)
    shape, half = preset.image_shape, preset.batch_size // 2
    model = gan.GAN(
        noise_generator(shape),
        networks.build_discriminator(preset, shape, dtype="float32"),
        noise_generator(shape),
        output=preset.output,
        update="alternating",  # as the tutorials train D alone: on a real batch, then on a batch of noise
    )
    d_optimizer = keras.optimizers.Adam(preset.learning_rate, beta_1=preset.beta_1)
    model.compile(d_optimizer, keras.optimizers.SGD(0.0), jit_compile=False)
    real = patches(half * steps, shape)
    random = np.random.RandomState(2)
    low = -1.0 if preset.output == "tanh" else 0.0

    def batches():
        for step in range(steps):
            noise = random.uniform(low, 1.0, (half, *shape)).astype("float32")
            yield real[step * half : (step + 1) * half], noise[:2], noise

    kept = Accuracies()
    model.fit(batches(), steps_per_epoch=steps, verbose=0, shuffle=False, callbacks=[kept])
    return kept.values


@pytest.mark.parametrize(("preset", "steps"), [("cifar32", 20), ("mnist28", 50)])
def test_the_discriminator_alone_learns_real_images_against_noise(preset, steps):
    accuracies = accuracies_against_noise(presets.PRESETS[preset], steps)
    assert len(accuracies) == steps
    assert np.mean(accuracies[-5:]) >= 0.95
    assert accuracies[0] < 0.9


@pytest.mark.parametrize("name", presets.PRESETS)
def test_an_untrained_generator_draws_grey_noise_in_range(name):
    keras.utils.set_random_seed(7)
    preset = presets.PRESETS[name]
    generator = networks.build_generator(preset, preset.image_shape, dtype="float32")
    latents = np.random.RandomState(3).normal(size=(4, preset.latent_dim)).astype("float32")
    drawn = generator.predict_on_batch(latents)
    low = -1.0 if preset.output == "tanh" else 0.0
    assert drawn.shape == (4, *preset.image_shape)
    assert low < drawn.min() < drawn.max() < 1.0
    pixels = images.to_pixels(drawn, preset.output)
    assert abs(pixels.mean() - 127.5) < 5
    assert (pixels.std(axis=(1, 2, 3)) > 0.2).all()
    assert not (pixels[0] == pixels[1]).all()


def test_binary_cross_entropy_agrees_with_the_hand_computation():
    # D's nine probabilities; the first five images are real, the last four generated.
    probabilities = np.array([[0.9, 0.8, 0.7], [0.6, 0.5, 0.4], [0.3, 0.2, 0.1]], "float32")
    logits = np.log(probabilities / (1 - probabilities)).reshape(-1, 1)
    loss = losses.CrossEntropy()

    # −(ln 0.9 + ln 0.8 + ln 0.7 + ln 0.6 + ln 0.5) / 5 and −(ln 0.6 + ln 0.7 + ln 0.8 + ln 0.9) / 4
    on_real, on_generated = map(float, loss.d_losses(logits[:5], logits[5:]).values())
    assert on_real == pytest.approx(1.889153 / 5, abs=1e-6)
    assert on_generated == pytest.approx(1.196006 / 4, abs=1e-6)
    assert (5 * on_real + 4 * on_generated) / 9 == pytest.approx(0.342795, abs=1e-6)

    # G's loss, its four images with the label of real ones: −(ln 0.4 + ln 0.3 + ln 0.2 + ln 0.1) / 4
    assert float(loss.g_loss(logits[5:], None)) == pytest.approx(6.032287 / 4, abs=1e-6)

    keras_loss = keras.losses.BinaryCrossentropy()(np.array([[1.0]] * 5 + [[0.0]] * 4), probabilities.reshape(-1, 1))
    assert float(keras_loss) == pytest.approx(0.342795, abs=1e-6)
