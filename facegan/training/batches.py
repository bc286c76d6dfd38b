"""The batches of a training run, each a pure function of the seed and the number of its step."""

import numpy as np


def split_rows(count, hold_out, seed):
    """Split a data set's rows into those to train on and those that training never sees.

    Args:
        count: rows of the data set. hold_out: the share to hold out, from 0 to below 1. seed: of the random choice.

    Returns:
        (training rows, held-out rows), both sorted int64 arrays.
    """
    order = np.random.RandomState(seed).permutation(count)
    kept_back = round(count * hold_out)
    return np.sort(order[kept_back:]), np.sort(order[:kept_back])


class Batches:
    """The batches of a training run, each a pure function of the seed and the number of its step.

    Real images come from one endless stream of passes, each pass a fresh order of all rows without replacement; a
    batch may span two passes, so shapes stay fixed and no image is dropped. Nothing needs to be saved to resume: the
    batch of step 1000 is the same whether 999 came before it or not.

    Args:
        pixels: uint8 (n, height, width, channels), mapped or in memory.
        rows: which of them to train on.
        preset: a row of `presets.PRESETS`: it sets the latent prior, whether a batch has half as many real images, and
            whether D's update sees images from the same latents as G's or from its own.
        mirror: whether half of the real images, chosen at random, are mirrored; the preset's if None.
        batch_size: images generated for G's update; the preset's if None. latent_dim: the preset's if None.
        seed: an integer.
    """

    def __init__(self, pixels, rows, preset, *, batch_size=None, latent_dim=None, mirror=None, seed=0):
        self.pixels = pixels
        self.rows = np.asarray(rows)
        self.batch_size = batch_size or preset.batch_size
        self.real_count = self.batch_size // 2 if preset.halves_batch else self.batch_size
        self.latent_dim = latent_dim or preset.latent_dim
        self.draw = {"normal": _normal, "uniform": _uniform}[preset.latent_prior]
        self.shared_latents = preset.shared_latents
        self.mirror = preset.mirror if mirror is None else mirror
        self.reseed(seed)

    def reseed(self, seed, restarts=0):
        """Start another stream; `restarts` gives a seed further streams that no other seed has."""
        self.seed = seed
        self.restarts = restarts
        self._orders = {}

    def at(self, step):
        """The batch of step 0, 1, …: real_pixels (k, height, width, channels), g_latents, d_latents unless shared."""
        first = step * self.real_count
        places = np.arange(first, first + self.real_count)
        passes, offsets = np.divmod(places, len(self.rows))
        chosen = np.empty(self.real_count, np.int64)
        for number in np.unique(passes):
            here = passes == number
            chosen[here] = self._order(int(number))[offsets[here]]
        random = np.random.Generator(np.random.Philox(key=[self.seed + (self.restarts << 32), step]))
        latents = [self.draw(random, (self.batch_size, self.latent_dim))]
        if not self.shared_latents:
            latents.append(self.draw(random, (self.real_count, self.latent_dim)))
        pixels = self.pixels[chosen]
        if self.mirror:
            flipped = random.random(self.real_count) < 0.5
            pixels[flipped] = pixels[flipped, :, ::-1]
        return pixels, *latents

    def fresh(self, step, count):
        """Other images and latents than those of the batches, for a test of the networks after a step.

        Returns:
            (real pixels uint8 (n, height, width, channels), latents (n, latent_dim)); n is `count`, or the number of
            training images if there are fewer.
        """
        random = np.random.default_rng([self.seed, self.restarts, step])
        rows = random.choice(self.rows, min(count, len(self.rows)), replace=False)
        return self.pixels[np.sort(rows)], self.draw(random, (len(rows), self.latent_dim))

    def from_step(self, step):
        """Yield the batches of `step`, `step` + 1, … endlessly."""
        while True:
            yield self.at(step)
            step += 1

    def _order(self, number):
        # A thread may still read ahead in the stream of an abandoned fit(); the key keeps its orders apart from ours.
        key = (self.seed, self.restarts, number)
        orders = self._orders
        if key not in orders:
            fresh = np.random.RandomState(key).permutation(self.rows)
            self._orders = {**{old: order for old, order in orders.items() if old[2] == number - 1}, key: fresh}
            return fresh
        return orders[key]


def _normal(random, shape):
    return random.standard_normal(shape, np.float32)


def _uniform(random, shape):
    return random.uniform(-1.0, 1.0, shape).astype(np.float32)
