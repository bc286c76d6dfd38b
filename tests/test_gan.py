"""The training step moves what it should, by the losses it should."""

import dataclasses
import itertools

import keras
import numpy
import pytest
import tiny

from facegan import augment, gan, networks

LATENTS = numpy.random.RandomState(5).standard_normal((8, 8)).astype("float32")


def make(preset=tiny.TINY, learning_rate=0.01, **options):
    keras.utils.set_random_seed(3)
    model = gan.GAN(
        networks.build_generator(preset, preset.image_shape),
        networks.build_discriminator(preset, preset.image_shape),
        networks.build_generator(preset, preset.image_shape, dtype="float32"),
        **{"output": preset.output, "update": preset.update, "average": preset.average, **options},
    )
    model.compile(*(keras.optimizers.Adam(learning_rate, beta_1=0.5) for _ in range(2)), jit_compile=False)
    return model


def batch(preset=tiny.TINY):
    real = 8 if preset.update == "summed" else 4
    return tiny.blobs(real), LATENTS, LATENTS[:real]


def fit(model, data, steps=1):
    stream = (data for _ in itertools.count())
    return model.fit(stream, steps_per_epoch=steps, verbose=0, shuffle=False)


def weights(network):
    return [numpy.asarray(variable.value) for variable in network.weights]


def moved(before, network):
    return [not numpy.array_equal(old, new) for old, new in zip(before, weights(network), strict=True)]


@pytest.mark.parametrize("preset", [tiny.TINY, tiny.TINY_HALVES, tiny.TINY_BATCH_NORM])
def test_one_step_moves_every_weight_of_both_networks(preset):
    model = make(preset)
    before = weights(model.generator), weights(model.discriminator)
    fit(model, batch(preset))
    assert all(moved(before[0], model.generator))
    assert all(moved(before[1], model.discriminator))


@pytest.mark.parametrize("update", ["halves", "joined", "summed"])
def test_a_step_on_shared_images_equals_one_whose_latents_of_both_updates_agree(update):
    preset = dataclasses.replace(tiny.TINY, update=update, d_dropout=0.0)
    results = []
    for count in (2, 3):
        keras.utils.set_random_seed(0)
        model = make(preset)
        logs = fit(model, batch(preset)[:count], steps=2).history
        results.append([*weights(model.generator), *weights(model.discriminator), *map(numpy.array, logs.values())])
    for shared, apart in zip(*results, strict=True):
        numpy.testing.assert_allclose(shared, apart, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("preset", [tiny.TINY, tiny.TINY_HALVES, tiny.TINY_BATCH_NORM])
def test_the_discriminators_update_leaves_the_generator_alone_and_the_reverse(preset):
    model = make(preset)
    model.optimizer.learning_rate = 0.0
    before = weights(model.generator), weights(model.discriminator)
    fit(model, batch(preset))
    trained = [variable.trainable for variable in model.generator.weights]
    still = [
        not change for change, is_trained in zip(moved(before[0], model.generator), trained, strict=True) if is_trained
    ]
    assert all(still)
    assert any(moved(before[1], model.discriminator))

    model = make(preset)
    model.d_optimizer.learning_rate = 0.0
    before = weights(model.generator), weights(model.discriminator)
    fit(model, batch(preset))
    assert any(moved(before[0], model.generator))
    changes = moved(before[1], model.discriminator)
    assert not any(change for change, v in zip(changes, model.discriminator.weights, strict=True) if v.trainable)


def test_moving_statistics_follow_only_the_updates_of_their_own_network():
    model = make(tiny.TINY_BATCH_NORM)
    with gan._Still(model.generator):
        before = weights(model.generator)
        model.generator(LATENTS, training=True)
        assert any(moved(before, model.generator))
    assert not any(moved(before, model.generator))


def test_the_discriminator_learns_to_tell_separable_images():
    model = make(dataclasses.replace(tiny.TINY_HALVES, d_dropout=0.0), learning_rate=0.002)
    model.optimizer.learning_rate = 0.0
    first = fit(model, batch()).history
    last = fit(model, batch(), steps=40).history
    assert last["d_loss_real"][-1] < 0.2 < first["d_loss_real"][-1]
    assert last["d_accuracy_real"][-1] == last["d_accuracy_generated"][-1] == 1.0


def test_halves_moves_d_twice_and_joined_and_summed_once():
    for preset, updates in ((tiny.TINY_HALVES, 2), (tiny.TINY, 1), (tiny.TINY_BATCH_NORM, 1)):
        model = make(preset)
        fit(model, batch(preset))
        assert (int(model.d_optimizer.iterations.value), int(model.optimizer.iterations.value)) == (updates, 1)


def test_losses_agree_with_hand_computation():
    logits = numpy.array([[0.0], [2.0]], "float32")
    half = numpy.log(2.0)
    assert float(gan._cross_entropy(logits, 1.0)) == pytest.approx((half + numpy.log1p(numpy.exp(-2.0))) / 2, rel=1e-6)
    assert float(gan._cross_entropy(logits, 0.0)) == pytest.approx((half + numpy.log1p(numpy.exp(2.0))) / 2, rel=1e-6)
    smooth = 0.9 * numpy.log1p(numpy.exp(-2.0)) + 0.1 * numpy.log1p(numpy.exp(2.0))
    assert float(gan._cross_entropy(logits, 0.9)) == pytest.approx((half + smooth) / 2, rel=1e-6)
    assert float(gan._hinge(logits, 1.0)) == pytest.approx(0.5)
    assert float(gan._hinge(logits, 0.0)) == pytest.approx(2.0)
    assert float(gan._hinge(logits, None)) == pytest.approx(-1.0)


def test_smoothing_raises_the_loss_of_a_discriminator_that_is_sure():
    logits = numpy.full((4, 1), 9.0, "float32")
    assert float(gan._cross_entropy(logits, 0.9)) > 100 * float(gan._cross_entropy(logits, 1.0))


def test_the_average_follows_the_generator_with_its_decay_and_equals_it_without():
    model = make(average=0.5)
    start = weights(model.generator)
    fit(model, batch())
    warm_up = 2.0 / 11.0
    for old, new, average in zip(start, weights(model.generator), weights(model.averaged_generator), strict=True):
        numpy.testing.assert_allclose(average, warm_up * old + (1 - warm_up) * new, rtol=1e-4, atol=1e-6)
    raw = make(average=0.0)
    fit(raw, batch(), steps=3)
    for new, average in zip(weights(raw.generator), weights(raw.averaged_generator), strict=True):
        numpy.testing.assert_array_equal(average, new)


def test_batch_norm_statistics_are_averaged_with_the_weights():
    model = make(tiny.TINY_BATCH_NORM, average=0.9)
    before = weights(model.averaged_generator)
    fit(model, batch(tiny.TINY_BATCH_NORM), steps=3)
    assert all(moved(before, model.averaged_generator))


def test_the_floor_of_ds_losses_is_what_a_sure_discriminator_gets():
    for options in ({}, {"smooth": 0.9}, {"loss": "hinge"}):
        model = make(**options)
        sure = numpy.full((4, 1), numpy.log(0.9 / 0.1) if model.smooth < 1 else 50.0, "float32")
        losses = model.loss_terms(sure, model.smooth) + model.loss_terms(numpy.full((4, 1), -50.0, "float32"), 0.0)
        assert float(losses) == pytest.approx(model.d_loss_floor, abs=1e-5)


def test_variety_is_one_for_a_real_batch_and_nought_for_repeated_images():
    real = tiny.blobs(8).astype("float32")
    assert float(gan.variety(real, real)) == pytest.approx(1.0)
    assert float(gan.variety(real, numpy.repeat(real[:2], 4, axis=0))) == pytest.approx(0.0, abs=0.01)


@pytest.mark.parametrize("shape", [(16, 16, 3), (12, 20, 1)])
def test_augmentation_keeps_the_shape_and_changes_each_image_differently(shape):
    images = numpy.repeat(tiny.blobs(1, shape) / 127.5 - 1.0, 6, axis=0).astype("float32")
    changed = numpy.asarray(augment.augment(images, keras.random.SeedGenerator(1)))
    assert changed.shape == images.shape
    assert len(numpy.unique(changed.reshape(6, -1), axis=0)) == 6
    again = numpy.asarray(augment.augment(images, keras.random.SeedGenerator(1)))
    numpy.testing.assert_array_equal(changed, again)


def test_the_generator_learns_through_the_augmentation():
    model = make(augment=augment.augment)
    before = weights(model.generator)
    fit(model, batch())
    assert all(moved(before, model.generator))
