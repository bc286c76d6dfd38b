"""Losses agree with their formulas."""

from facegan.training import losses

import keras
import numpy as np
import pytest

LOGITS = np.array([[0.0], [2.0]], "float32")


def numbers(values):
    return {name: float(value) for name, value in values.items()}


def test_cross_entropy_agrees_with_hand_computation():
    half = np.log(2.0)
    d_losses = numbers(losses.CrossEntropy().d_losses(LOGITS, LOGITS))
    assert d_losses["d_loss_real"] == pytest.approx((half + np.log1p(np.exp(-2.0))) / 2, rel=1e-6)
    assert d_losses["d_loss_generated"] == pytest.approx((half + np.log1p(np.exp(2.0))) / 2, rel=1e-6)
    assert float(losses.CrossEntropy().g_loss(LOGITS, None)) == pytest.approx(d_losses["d_loss_real"])


def test_label_smoothing_moves_the_target_of_real_images_alone():
    smoothed = 0.9 * np.log1p(np.exp(-2.0)) + 0.1 * np.log1p(np.exp(2.0))
    plain, changed = (numbers(losses.CrossEntropy(amount).d_losses(LOGITS, LOGITS)) for amount in (0.0, 0.1))
    assert changed["d_loss_real"] == pytest.approx((np.log(2.0) + smoothed) / 2, rel=1e-6)
    assert changed["d_loss_generated"] == plain["d_loss_generated"]


def test_label_noise_exchanges_that_share_of_the_discriminators_labels_and_others_each_time():
    loss = losses.CrossEntropy(label_noise=0.25, seed=keras.random.SeedGenerator(1))
    certain = np.full((4_000, 1), 20.0, "float32")  # a loss of 20 where the label is wrong, of 0 where it is right
    first, second = (numbers(loss.d_losses(certain, -certain)) for _ in range(2))
    for name, value in first.items():
        assert value / 20 == pytest.approx(0.25, abs=0.02)
        assert value != second[name]
    assert float(loss.g_loss(certain, None)) == pytest.approx(0.0, abs=1e-6), "G's labels are right"


def test_hinge_agrees_with_hand_computation():
    assert numbers(losses.Hinge().d_losses(LOGITS, LOGITS)) == {"d_loss_real": 0.5, "d_loss_generated": 2.0}
    assert float(losses.Hinge().g_loss(LOGITS, None)) == -1.0


def test_the_relativistic_loss_sees_only_differences_within_pairs():
    real, generated = np.array([[1.0], [-1.0]], "float32"), np.array([[0.0], [2.0]], "float32")
    loss = losses.Relativistic()
    d_loss = numbers(loss.d_losses(real, generated))["d_loss_real"]
    assert d_loss == pytest.approx((np.log1p(np.exp(-1.0)) + np.log1p(np.exp(3.0))) / 2, rel=1e-6)
    assert numbers(loss.d_losses(real + 7, generated + 7))["d_loss_real"] == pytest.approx(d_loss, rel=1e-5)
    assert numbers(loss.d_accuracies(real, generated)) == {"d_accuracy_real": 0.5, "d_accuracy_generated": 0.5}
    assert float(loss.g_loss(generated, real)) == pytest.approx(
        (np.log1p(np.exp(1.0)) + np.log1p(np.exp(-3.0))) / 2, rel=1e-6
    )


def test_real_logits_are_used_again_where_more_images_were_generated():
    real, generated = np.array([[1.0], [-1.0]], "float32"), np.zeros((4, 1), "float32")
    expected = (np.log1p(np.exp(1.0)) + np.log1p(np.exp(-1.0))) / 2
    assert float(losses.Relativistic().g_loss(generated, real)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    "loss", [losses.CrossEntropy(), losses.CrossEntropy(0.1), losses.Hinge(), losses.Relativistic()]
)
def test_the_floor_is_what_a_certain_discriminator_gets(loss):
    certain = np.full((4, 1), np.log(0.9 / 0.1) if loss.real_target < 1 else 50.0, "float32")
    assert sum(numbers(loss.d_losses(certain, np.full((4, 1), -50.0, "float32"))).values()) == pytest.approx(
        loss.floor, abs=1e-5
    )


def test_the_floor_of_noisy_labels_is_what_the_best_discriminator_gets():
    loss = losses.CrossEntropy(0.1, 0.25, keras.random.SeedGenerator(1))
    real, generated = 0.75 * 0.9, 0.25 * 0.9  # the mean targets, which are the best answers
    best = [np.full((20_000, 1), np.log(mean / (1 - mean)), "float32") for mean in (real, generated)]
    assert sum(numbers(loss.d_losses(*best)).values()) == pytest.approx(loss.floor, rel=0.01)
