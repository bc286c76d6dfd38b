"""No update is too large; the learning rate stays as it is, then falls to nothing with the run's last step."""

from facegan.training import loop, optimizers, recorder

import keras
import numpy as np
import pytest
from short_runs import train


def positions(optimizer, gradients):
    """Where a variable of 1,000 numbers that begins at 0 is after each gradient."""
    variable = keras.Variable(np.zeros(1000, "float32"))
    optimizer.build([variable])
    for gradient in gradients:
        optimizer.apply([keras.ops.convert_to_tensor(gradient.astype("float32"))], [variable])
        yield variable.numpy().copy()


def test_a_gradient_that_suddenly_grows_moves_no_weight_much_further_than_others():
    calm = np.random.RandomState(0).standard_normal((300, 1000))
    gradients = [*calm, 100 * calm[0], 100 * calm[1]]
    sizes = []
    for optimizer in (
        keras.optimizers.Adam(0.01, beta_1=0.0),
        optimizers.ClippedAdam(0.01, beta_1=0.0, update_clip=2.0),
    ):
        before, *after = list(positions(optimizer, gradients))[-3:]
        sizes.append([np.sqrt(np.square(move).mean()) / 0.01 for move in (after[0] - before, after[1] - after[0])])
    assert min(sizes[0]) > 5
    np.testing.assert_allclose(sizes[1], 2.0, rtol=0.01)


def test_gradients_that_do_not_grow_are_followed_as_adam_follows_them():
    gradients = np.random.RandomState(0).standard_normal((50, 1000)) * np.geomspace(1, 0.01, 50)[:, None]
    moves = [
        list(positions(optimizer, gradients))
        for optimizer in (keras.optimizers.Adam(0.01), optimizers.ClippedAdam(0.01, update_clip=2.0))
    ]
    np.testing.assert_array_equal(*moves)


def rates(schedule, updates):
    return [float(schedule(np.int64(update))) for update in range(updates)]


def test_the_rate_stays_and_then_falls_in_equal_parts_to_end_with_the_last_update():
    schedule = optimizers.LearningRateDecay(0.5, updates=10, share=0.4)
    np.testing.assert_allclose(rates(schedule, 10), [0.5] * 7 + [0.375, 0.25, 0.125], rtol=1e-6)


def test_a_share_of_one_falls_from_the_first_update_on():
    np.testing.assert_allclose(
        rates(optimizers.LearningRateDecay(1.0, updates=4, share=1.0), 4), [1.0, 0.75, 0.5, 0.25]
    )


@pytest.mark.parametrize("preset", ["tiny", "tiny_halves"])
def test_both_networks_have_come_to_rest_when_the_run_ends(monkeypatch, tmp_path, dataset, preset):
    trained, train_for_real = [], loop.train

    def see(gan, *arguments, **options):
        trained.append(gan)
        return train_for_real(gan, *arguments, **options)

    monkeypatch.setattr(loop, "train", see)
    assert train(monkeypatch, dataset, tmp_path / "run", "--lr-decay", "0.5", preset=preset) == 0
    gan = trained[0]
    assert [float(optimizer.learning_rate) for optimizer in (gan.optimizer, gan.d_optimizer)] == [0.0, 0.0]


def test_a_finished_run_given_more_epochs_resumes_at_the_rate_of_its_new_length(monkeypatch, tmp_path, dataset):
    rates_seen, see = [], recorder.Recorder.on_train_batch_end

    def look(self, *arguments, **options):
        rates_seen.append(round(float(self.gan.optimizer.learning_rate), 6))
        return see(self, *arguments, **options)

    monkeypatch.setattr(recorder.Recorder, "on_train_batch_end", look)
    options = ("--lr-decay", "0.4", "--learning-rate", "0.01", "--steps")
    assert train(monkeypatch, dataset, tmp_path / "run", *options, "5") == 0
    assert train(monkeypatch, dataset, tmp_path / "run", *options, "10") == 0
    assert rates_seen[:5] == [0.01, 0.01, 0.01, 0.005, 0.0]  # each that of the step to come
    assert rates_seen[5:] == [0.01, 0.0075, 0.005, 0.0025, 0.0]


def test_without_decay_the_rate_is_constant(monkeypatch, tmp_path, dataset):
    trained = []
    monkeypatch.setattr(loop, "train", lambda gan, *arguments, **options: trained.append(gan))
    assert train(monkeypatch, dataset, tmp_path / "run", "--learning-rate", "0.01") == 0
    for optimizer in (trained[0].optimizer, trained[0].d_optimizer):
        optimizer.iterations.assign(10**6)
        assert float(optimizer.learning_rate) == pytest.approx(0.01)
