"""The networks are those of the walk-throughs, at any size that halves evenly."""

import dataclasses
import math

from facegan.training import dry_run, networks, presets

import keras
import numpy as np
import pytest
import tiny

PARAMETERS = {
    "faces80": (1_381_891, 1_651_841),
    "cifar32": (1_466_115, 522_497),
    "mnist28": (1_164_289, 40_705),
    "dcgan64": (12_658_432, 2_765_568),
    "roses64": (5_135_363, 4_316_545),
    "celeba28": (21_475_331, 4_310_401),
}


def trainable(model):
    return sum(math.prod(variable.shape) for variable in model.trainable_variables)


@pytest.mark.parametrize("name", PARAMETERS)
def test_presets_have_exactly_the_published_parameter_counts(name):
    preset = presets.PRESETS[name]
    generator = networks.build_generator(preset, preset.image_shape)
    discriminator = networks.build_discriminator(preset, preset.image_shape)
    assert (trainable(generator), trainable(discriminator)) == PARAMETERS[name]


@pytest.mark.parametrize(("name", "count"), [("faces80", 3_033_732), ("cifar32", 1_988_612), ("mnist28", 1_204_994)])
def test_a_dry_run_counts_the_composite_model_as_the_tutorials_print_it(name, count, capsys):
    preset = presets.PRESETS[name]
    stacked = [build(preset, preset.image_shape) for build in (networks.build_generator, networks.build_discriminator)]
    dry_run.show_composite(*stacked)
    printed = capsys.readouterr().out
    assert f"Total params: {count:,}" in printed
    assert f"composite model: {count:,} parameters, {PARAMETERS[name][0]:,} of them trained by G's update" in printed


@pytest.mark.parametrize("name", presets.PRESETS)
@pytest.mark.parametrize("shape", [None, (48, 40, 3), (56, 40, 1)])
def test_every_preset_draws_and_judges_images_of_other_shapes(name, shape):
    preset = presets.PRESETS[name]
    shape = shape or preset.image_shape
    generator = networks.build_generator(preset, shape, latent_dim=7)
    assert generator.input_shape == (None, 7)
    assert generator.output_shape == (None, *shape)
    assert networks.build_discriminator(preset, shape).output_shape == (None, 1)


def test_smaller_images_drop_layers_at_full_resolution_and_larger_ones_repeat_them():
    dcgan = presets.PRESETS["dcgan64"]

    def filters(model, kind):
        return [layer.filters for layer in model.layers if isinstance(layer, kind)]

    transposed = keras.layers.Conv2DTranspose
    assert filters(networks.build_generator(dcgan, (32, 32, 3)), transposed) == [512, 256, 3]
    assert filters(networks.build_generator(dcgan, (128, 128, 3)), transposed) == [512, 256, 128, 128, 3]
    assert filters(networks.build_discriminator(dcgan, (32, 32, 3)), keras.layers.Conv2D) == [128, 256, 512]
    assert filters(networks.build_discriminator(dcgan, (128, 128, 3)), keras.layers.Conv2D) == [64, 64, 128, 256, 512]


@pytest.mark.parametrize(("hidden", "units"), [("0", [1]), ("5", [5, 1])])
def test_a_hidden_layer_comes_before_the_discriminators_logit_if_the_preset_has_one(hidden, units):
    preset = dataclasses.replace(presets.PRESETS["faces32"], **dict([presets.parse_setting(f"d_hidden={hidden}")]))
    discriminator = networks.build_discriminator(preset, preset.image_shape)
    dense = [layer.units for layer in discriminator.layers if isinstance(layer, keras.layers.Dense)]
    assert dense == units


@pytest.mark.parametrize(("modulation", "vary"), [(0, False), (3, True)])
def test_modulation_is_another_way_from_the_latent_to_the_image(modulation, vary):
    preset = dataclasses.replace(tiny.TINY, modulation=modulation)
    generator = networks.build_generator(preset, preset.image_shape)
    (stem,) = (layer for layer in generator.layers if getattr(layer, "units", 0) == 4 * 4 * preset.stem)
    stem.kernel.assign(keras.ops.zeros(stem.kernel.shape))
    stem.bias.assign(keras.ops.ones(stem.bias.shape))
    images = generator.predict_on_batch(np.random.RandomState(0).standard_normal((5, preset.latent_dim)))
    assert (images.std(axis=0).max() > 1e-4) == vary


@pytest.mark.parametrize(("blur", "patterned"), [(False, True), (True, False)])
def test_a_blurred_generator_cannot_draw_a_pattern_of_two_pixels(blur, patterned):
    keras.utils.set_random_seed(0)
    preset = dataclasses.replace(presets.PRESETS["slim80"], blur=blur)
    generator = networks.build_generator(preset, preset.image_shape)
    images = generator.predict_on_batch(np.random.RandomState(0).standard_normal((5, preset.latent_dim)))
    spectra = np.abs(np.fft.fft2(np.arctanh(images[:, 20:60, 20:60]), axes=(1, 2))) ** 2
    assert (spectra[:, 20, 20].mean() > 0.1 * spectra[:, 5, 5].mean()) == patterned


def test_colour_blur_smooths_colours_and_leaves_brightness_alone():
    drawn = []
    for colour_blur in (False, True):
        keras.utils.set_random_seed(0)
        preset = dataclasses.replace(presets.PRESETS["slim80"], colour_blur=colour_blur)
        generator = networks.build_generator(preset, preset.image_shape, finished=True)
        assert len(networks.learned_weights(generator)) == len(generator.weights) - 2 * colour_blur
        latents = np.random.RandomState(0).standard_normal((5, preset.latent_dim))
        drawn.append(np.arctanh(generator.predict_on_batch(latents)))
    sharp, smooth = drawn
    brightness = np.array([0.299, 0.587, 0.114])
    np.testing.assert_allclose(smooth @ brightness, sharp @ brightness, atol=1e-4)
    differences = [np.abs(np.diff(x[..., 0] - x @ brightness, axis=2)).mean() for x in drawn]
    assert differences[1] < 0.6 * differences[0]


def test_dcgan_starts_from_the_papers_weights():
    keras.utils.set_random_seed(0)
    dcgan = presets.PRESETS["dcgan64"]
    generator = networks.build_generator(dcgan, dcgan.image_shape)
    kernel = next(layer for layer in generator.layers if isinstance(layer, keras.layers.Conv2DTranspose)).kernel
    scales = [layer.gamma for layer in generator.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert np.std(np.asarray(kernel)) == pytest.approx(0.02, rel=0.01)
    assert np.mean(np.asarray(scales[0])) == pytest.approx(1.0, abs=0.01)
    assert np.std(np.asarray(scales[0])) == pytest.approx(0.02, rel=0.1)
    assert not any("bias" in variable.name for variable in generator.trainable_variables)


def test_outputs_are_float32_under_a_mixed_policy():
    preset = presets.PRESETS["mnist28"]
    generator = networks.build_generator(preset, preset.image_shape, dtype="mixed_bfloat16")
    discriminator = networks.build_discriminator(preset, preset.image_shape, dtype="mixed_bfloat16")
    assert generator.layers[1].compute_dtype == "bfloat16"
    assert generator.output.dtype == discriminator.output.dtype == "float32"


@pytest.mark.parametrize(("size", "count"), [((80, 80), 4), ((96, 80), 4), ((28, 28), 2), ((32, 32), 3), ((64, 64), 4)])
def test_sizes_are_halved_down_to_four_to_seven(size, count):
    assert presets.count_downsamplings(*size) == count


@pytest.mark.parametrize(("size", "nearest"), [((81, 80), (80, 80)), ((100, 100), (96, 96)), ((56, 64), (56, 56))])
def test_a_size_that_cannot_be_halved_is_refused_and_the_nearest_one_that_can_is_known(size, nearest):
    with pytest.raises(ValueError, match="cannot be halved"):
        presets.count_downsamplings(*size)
    assert presets.nearest_size(*size) == nearest
    presets.count_downsamplings(*nearest)
