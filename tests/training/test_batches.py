"""The stream of batches: every image once a pass, and any step's batch without those before it."""

import dataclasses

from facegan.training import batches

import numpy as np
import tiny


def numbered(count):
    """Images that carry their row's number in every pixel."""
    return np.broadcast_to(np.arange(count, dtype=np.uint8)[:, None, None, None], (count, 4, 4, 1))


def make(rows, batch_size=4, seed=1, **fields):
    preset = dataclasses.replace(tiny.TINY, **{"update": "summed", "shared_latents": False, **fields})
    return batches.Batches(numbered(100), rows, preset, batch_size=batch_size, latent_dim=6, seed=seed)


def drawn(stream, steps):
    return np.concatenate([stream.at(step)[0][:, 0, 0, 0] for step in range(steps)])


def test_every_pass_shows_every_row_once_in_a_fresh_order_although_batches_span_passes():
    seen = drawn(make(range(10, 20)), 10)
    passes = seen.reshape(4, 10)
    assert all(sorted(one) == list(range(10, 20)) for one in passes)
    assert len({tuple(one) for one in passes}) == 4


def test_a_preset_that_halves_the_batch_takes_half_as_many_real_images_in_each_step():
    halved = make(range(8), batch_size=8, update="alternating")
    real, g_latents, d_latents = halved.at(0)
    assert (real.shape, d_latents.shape, g_latents.shape) == ((4, 4, 4, 1), (4, 6), (8, 6))
    assert sorted(drawn(halved, 2)) == list(range(8))


def test_the_batch_of_a_step_does_not_depend_on_the_steps_before():
    whole = [batch for _, batch in zip(range(9), make(range(10)).from_step(0), strict=False)]
    resumed = next(make(range(10)).from_step(8))
    for one, other in zip(whole[8], resumed, strict=True):
        np.testing.assert_array_equal(one, other)


def test_seeds_and_restarts_give_other_batches():
    first = make(range(10), seed=1).at(0)[1]
    other = make(range(10), seed=2).at(0)[1]
    restarted = make(range(10), seed=1)
    restarted.reseed(1, restarts=1)
    assert not np.array_equal(first, other)
    assert not np.array_equal(first, restarted.at(0)[1])
    assert not np.array_equal(other, restarted.at(0)[1])


def test_latents_are_normal_or_uniform_and_shared_on_request():
    normal = make(range(50), batch_size=50).at(0)[1]
    _, uniform = make(range(50), batch_size=50, latent_prior="uniform", shared_latents=True).at(0)
    assert abs(normal.std() - 1.0) < 0.1
    assert uniform.shape == normal.shape
    assert uniform.min() < -0.9
    assert uniform.max() < 1.0


def test_mirrored_images_are_half_of_all_and_depend_on_seed_and_step_alone():
    preset = dataclasses.replace(tiny.TINY, update="summed", mirror=True)
    pixels = np.arange(12, dtype=np.uint8).reshape(1, 1, 12, 1)
    mirrored = batches.Batches(np.repeat(pixels, 400, axis=0), range(400), preset, batch_size=400)
    shown = mirrored.at(0)[0][:, 0, 0, 0]
    assert set(shown) == {0, 11}
    assert 150 < (shown == 11).sum() < 250
    np.testing.assert_array_equal(shown, mirrored.at(0)[0][:, 0, 0, 0])
    assert not np.array_equal(shown, mirrored.at(1)[0][:, 0, 0, 0])


def test_held_out_rows_are_the_share_asked_for_and_never_trained_on():
    rows, held_out = batches.split_rows(50, 0.1, seed=3)
    assert len(held_out) == 5
    assert sorted([*rows, *held_out]) == list(range(50))
    assert not np.array_equal(held_out, batches.split_rows(50, 0.1, seed=4)[1])
