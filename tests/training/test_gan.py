"""The training step moves what it should, by the losses it should."""

import dataclasses
import itertools

from facegan.training import augment, gan

import keras
import numpy as np
import pytest
import tiny

LATENTS = np.random.RandomState(5).standard_normal((8, 8)).astype("float32")


def make(preset=tiny.TINY, learning_rate=0.01, **options):
    keras.utils.set_random_seed(3)
    model = gan.GAN.from_preset(preset, preset.image_shape, to_train=False, **options)
    model.compile(*(keras.optimizers.Adam(learning_rate, beta_1=0.5) for _ in range(2)), jit_compile=False)
    return model


def batch(preset=tiny.TINY):
    real = 8 if preset.update == "summed" else 4
    return tiny.blobs(real), LATENTS, LATENTS[:real]


def fit(model, data, steps=1):
    model.run_eagerly = steps < 10  # to build a graph takes seconds
    stream = (data for _ in itertools.count())
    return model.fit(stream, steps_per_epoch=steps, verbose=0, shuffle=False)


def weights(network):
    return [np.asarray(variable.value) for variable in network.weights]


def moved(before, network):
    return [not np.array_equal(old, new) for old, new in zip(before, weights(network), strict=True)]


@pytest.mark.parametrize("preset", [tiny.TINY, tiny.TINY_HALVES, tiny.TINY_BATCH_NORM])
def test_one_step_moves_every_weight_of_both_networks(preset):
    model = make(preset)
    before = weights(model.generator), weights(model.discriminator)
    fit(model, batch(preset))
    assert all(moved(before[0], model.generator))
    assert all(moved(before[1], model.discriminator))


@pytest.mark.parametrize("upsampling", ["nearest", "bilinear"])
def test_a_generator_that_interpolates_has_as_many_weights_and_all_of_them_learn(upsampling):
    preset = dataclasses.replace(tiny.TINY, upsampling=upsampling, head_upsamples=True, label_noise=0.1)
    transposed = dataclasses.replace(preset, upsampling="transposed")
    model = make(preset, precision="mixed_bfloat16")
    assert model.generator.count_params() == make(transposed).generator.count_params()
    before = weights(model.generator)
    fit(model, batch(preset))
    assert all(moved(before, model.generator))


@pytest.mark.parametrize("update", ["alternating", "concatenated", "summed"])
def test_a_step_on_shared_images_equals_one_whose_latents_of_both_updates_agree(update):
    preset = dataclasses.replace(tiny.TINY, update=update, d_dropout=0.0)
    results = []
    for count in (2, 3):
        keras.utils.set_random_seed(0)
        model = make(preset)
        logs = fit(model, batch(preset)[:count], steps=2).history
        results.append([*weights(model.generator), *weights(model.discriminator), *map(np.array, logs.values())])
    for shared, apart in zip(*results, strict=True):
        np.testing.assert_allclose(shared, apart, rtol=1e-4, atol=1e-6)


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
    with gan._FrozenStatistics(model.generator):
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


def test_an_alternating_step_updates_d_twice_and_the_others_once():
    for preset, updates in ((tiny.TINY_HALVES, 2), (tiny.TINY, 1), (tiny.TINY_BATCH_NORM, 1)):
        model = make(preset)
        fit(model, batch(preset))
        assert (int(model.d_optimizer.iterations.value), int(model.optimizer.iterations.value)) == (updates, 1)


def test_the_average_follows_the_generator_with_its_decay_and_equals_it_without():
    model = make(ema_decay=0.5)
    start = weights(model.generator)
    fit(model, batch())
    warm_up = 2.0 / 11.0
    for old, new, average in zip(start, weights(model.generator), weights(model.averaged_generator), strict=True):
        np.testing.assert_allclose(average, warm_up * old + (1 - warm_up) * new, rtol=1e-4, atol=1e-6)
    raw = make(ema_decay=0.0)
    fit(raw, batch(), steps=3)
    for new, average in zip(weights(raw.generator), weights(raw.averaged_generator), strict=True):
        np.testing.assert_array_equal(average, new)


def test_batch_norm_statistics_are_averaged_with_the_weights():
    model = make(tiny.TINY_BATCH_NORM, ema_decay=0.9)
    before = weights(model.averaged_generator)
    fit(model, batch(tiny.TINY_BATCH_NORM), steps=3)
    assert all(moved(before, model.averaged_generator))


def test_batch_diversity_is_one_for_a_real_batch_and_zero_for_repeated_images():
    real = tiny.blobs(8).astype("float32")
    assert float(gan.batch_diversity(real, real)) == pytest.approx(1.0)
    assert float(gan.batch_diversity(real, np.repeat(real[:2], 4, axis=0))) == pytest.approx(0.0, abs=0.01)


def test_batch_diversity_sees_small_differences_between_images_that_are_nearly_the_same():
    real, noise = tiny.blobs(8, (80, 80, 3)) / 127.5 - 1.0, np.random.RandomState(0).randn(8, 80, 80, 3)
    same = np.repeat(real[:1], 8, axis=0)
    diversities = [
        float(gan.batch_diversity(real.astype("float32"), (same + scale * noise).astype("float32")))
        for scale in (1e-3, 1e-4)
    ]
    assert diversities[0] / diversities[1] == pytest.approx(10.0, rel=0.01)


@pytest.mark.parametrize("shape", [(16, 16, 3), (12, 20, 1)])
def test_augmentation_keeps_the_shape_and_changes_each_image_differently(shape):
    images = np.repeat(tiny.blobs(1, shape) / 127.5 - 1.0, 6, axis=0).astype("float32")
    changed = np.asarray(augment.augment(images, keras.random.SeedGenerator(1)))
    assert changed.shape == images.shape
    assert len(np.unique(changed.reshape(6, -1), axis=0)) == 6
    again = np.asarray(augment.augment(images, keras.random.SeedGenerator(1)))
    np.testing.assert_array_equal(changed, again)


def test_the_generator_learns_through_the_augmentation():
    model = make(augment=augment.augment)
    before = weights(model.generator)
    fit(model, batch())
    assert all(moved(before, model.generator))


RELATIVISTIC = tiny.TINY_RELATIVISTIC


def test_an_alternating_update_refuses_a_loss_of_pairs():
    with pytest.raises(ValueError, match="relativistic compares"):
        make(dataclasses.replace(RELATIVISTIC, update="alternating"))


@pytest.mark.parametrize("update", ["concatenated", "summed"])
def test_a_relativistic_step_with_penalties_moves_every_weight_of_both_networks(update):
    preset = dataclasses.replace(RELATIVISTIC, update=update)
    model = make(preset)
    before = weights(model.generator), weights(model.discriminator)
    fit(model, batch(preset)[:2])
    # The last bias of D shifts all logits alike, which no pair and no gradient sees.
    assert all(moved(before[0], model.generator))
    assert moved(before[1], model.discriminator) == [True] * (len(before[1]) - 1) + [False]


IN_PARTS = {
    "concatenated": dataclasses.replace(tiny.TINY, d_dropout=0.0),
    "alternating": dataclasses.replace(tiny.TINY_HALVES, d_dropout=0.0, r1=1.0, r2=1.0, penalty_images=8),
    "summed": dataclasses.replace(tiny.TINY, update="summed", d_dropout=0.0),
    # Of the three images that the penalty is computed on, one part has two.
    "relativistic": dataclasses.replace(RELATIVISTIC, penalty_images=3),
}


@pytest.mark.parametrize("preset", IN_PARTS.values(), ids=list(IN_PARTS))
def test_a_batch_in_parts_gives_the_losses_and_weights_of_the_whole(preset):
    real, *latents = batch(preset)
    data = (real, latents[0]) if preset.shared_latents else (real, *latents)
    whole, parts = (make(preset, accumulate=count) for count in (1, 2))
    for model in (whole, parts):  # Adam would divide the rounding of small gradients by their size
        model.compile(*(keras.optimizers.SGD(0.1) for _ in range(2)), jit_compile=False)
    logs = [fit(model, data, steps=2).history for model in (whole, parts)]
    for name in set(logs[0]) - {"batch_diversity"}:  # that is lower among fewer images
        np.testing.assert_allclose(logs[1][name], logs[0][name], rtol=1e-4, err_msg=name)
    for ours, theirs in zip(weights(whole), weights(parts), strict=True):
        np.testing.assert_allclose(theirs, ours, rtol=1e-4, atol=1e-5)


def test_in_parts_batch_norm_and_dropout_still_train_both_networks():
    model = make(tiny.TINY_BATCH_NORM, accumulate=4)
    before = weights(model.generator), weights(model.discriminator)
    fit(model, batch(tiny.TINY_BATCH_NORM)[:2], steps=2)
    assert all(moved(before[0], model.generator)) and all(moved(before[1], model.discriminator))
    assert all(np.isfinite(array).all() for array in weights(model))


def test_a_gradient_penalty_flattens_the_discriminator_at_its_own_kind_of_images():
    def slopes(r1=0.0, r2=0.0):
        """D's slope at real and at generated images."""
        model = make(dataclasses.replace(RELATIVISTIC, r1=r1, r2=r2), learning_rate=0.002)
        fit(model, batch()[:2], steps=40)
        kinds = tiny.blobs(4).astype("float32") / 127.5 - 1, model.generator(LATENTS[:4])
        gradients = [
            model.logit_gradients(model.discriminator, keras.ops.convert_to_tensor(images)) for images in kinds
        ]
        return [float(np.sqrt((np.asarray(each) ** 2).sum(axis=(1, 2, 3))).mean()) for each in gradients]

    without = slopes()
    assert slopes(r1=40.0)[0] < 0.5 * without[0]
    assert slopes(r2=40.0)[1] < 0.5 * without[1]


def test_the_gradient_of_a_logit_is_its_slope_along_the_image():
    model = make(RELATIVISTIC)
    images = keras.ops.convert_to_tensor(tiny.blobs(2).astype("float32") / 255)
    gradients = np.asarray(model.logit_gradients(model.discriminator, images))
    step = 1e-2 * np.random.RandomState(0).standard_normal(gradients.shape).astype("float32")
    change = np.asarray(model.discriminator(images + step) - model.discriminator(images - step))[:, 0] / 2
    atol = 0.05 * np.abs(change).max()  # where the step crosses the kink of a leaky ReLU, the slope changes
    np.testing.assert_allclose((gradients * step).sum(axis=(1, 2, 3)), change, rtol=0.05, atol=atol)
