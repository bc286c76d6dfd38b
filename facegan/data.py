"""Data sets of images, and the batches that training draws from them."""

import zipfile
import zlib
from pathlib import Path

import numpy

from facegan import npz
from facegan.commands import UserError

NAMED = ("mnist", "cifar10")


def load_images(source):
    """Open a data set by path or name.

    Args:
        source: a .npz file, or "mnist" or "cifar10", which Keras downloads once and keeps.

    Returns:
        (pixels uint8 (n, height, width, channels), fingerprint): pixels are mapped from the file where it is stored
        uncompressed; the fingerprint is text that changes when any byte of the images does.

    Raises:
        UserError: no such file or name, nothing in it that is a set of images, or a download that failed.
    """
    if str(source) in NAMED:
        pixels = _download(str(source))
        return pixels, _fingerprint(pixels, zlib.crc32(numpy.ascontiguousarray(pixels)))
    path = Path(source)
    if not path.is_file():
        named = " or ".join(NAMED)
        raise UserError(f"DATA {source}: no such file; name a .npz that prepare_faces.py made, or {named}")
    try:
        pixels = npz.open_pixels(path)
    except ValueError as error:
        raise UserError(f"DATA {error}; prepare_faces.py makes such files") from None
    # The archive already holds a checksum of every byte: no need to read gigabytes again at each start.
    with zipfile.ZipFile(path) as archive:
        members = sorted((member.filename, member.CRC) for member in archive.infolist())
    return pixels, _fingerprint(pixels, zlib.crc32(repr(members).encode()))


def _fingerprint(pixels, checksum):
    return "x".join(map(str, pixels.shape)) + f"-{checksum:08x}"


def _download(name):
    import keras

    try:
        (pixels, _), _ = getattr(keras.datasets, name).load_data()
    except Exception as error:  # Keras raises bare Exception for a failed download
        reason = (str(error).strip() or type(error).__name__).splitlines()[-1]
        raise UserError(
            f"DATA {name}: its download failed ({reason}); give a .npz of images instead, or fetch it on a machine "
            "with a network and copy the folder ~/.keras/datasets"
        ) from None
    return pixels[..., None] if pixels.ndim == 3 else pixels


def split_rows(count, hold_out, seed):
    """Choose the rows that training never sees.

    Args:
        count: rows of the data set. hold_out: the share of them to keep back, 0 to below 1. seed: of the choice.

    Returns:
        (training rows, held-out rows), both sorted int64 arrays.
    """
    order = numpy.random.RandomState(seed).permutation(count)
    kept_back = round(count * hold_out)
    return numpy.sort(order[kept_back:]), numpy.sort(order[:kept_back])


class Batches:
    """The batches of a training run, each a pure function of the seed and the number of its step.

    Real images come from one endless stream of passes, each pass a fresh order of all rows without replacement; a
    batch may span two passes, so shapes stay fixed and no image is dropped. Nothing needs to be saved to resume: the
    batch of step 1000 is the same whether 999 came before it or not.

    Args:
        pixels: uint8 (n, height, width, channels), mapped or in memory.
        rows: which of them to train on.
        batch_size: images generated for G's update.
        halved: whether D sees half a batch of real and of generated images rather than a whole one of each.
        latent_dim, latents: length of a latent and "normal" or "uniform" over (−1, 1).
        shared_latents: whether D's update sees images drawn from the latents of G's, or from latents of its own.
        seed: a whole number.
    """

    def __init__(self, pixels, rows, batch_size, halved, latent_dim, latents="normal", shared_latents=False, seed=0):
        self.pixels = pixels
        self.rows = numpy.asarray(rows)
        self.batch_size = batch_size
        self.real_count = batch_size // 2 if halved else batch_size
        self.latent_dim = latent_dim
        self.draw = {"normal": _normal, "uniform": _uniform}[latents]
        self.shared_latents = shared_latents
        self.reseed(seed)

    def reseed(self, seed, restarts=0):
        """Begin another stream; `restarts` tells streams of one seed apart without meeting another seed's."""
        self.seed = seed
        self.restarts = restarts
        self._orders = {}

    def at(self, step):
        """The batch of step 0, 1, …: real_pixels (k, height, width, channels), g_latents, d_latents unless shared."""
        first = step * self.real_count
        places = numpy.arange(first, first + self.real_count)
        passes, offsets = numpy.divmod(places, len(self.rows))
        chosen = numpy.empty(self.real_count, numpy.int64)
        for number in numpy.unique(passes):
            here = passes == number
            chosen[here] = self._order(int(number))[offsets[here]]
        random = numpy.random.Generator(numpy.random.Philox(key=[self.seed + (self.restarts << 32), step]))
        latents = [self.draw(random, (self.batch_size, self.latent_dim))]
        if not self.shared_latents:
            latents.append(self.draw(random, (self.real_count, self.latent_dim)))
        return self.pixels[chosen], *latents

    def from_step(self, step):
        """Yield the batches of `step`, `step` + 1, … without end."""
        while True:
            yield self.at(step)
            step += 1

    def _order(self, number):
        # The stream of an abandoned fit() may still be read ahead in a thread: the key tells its orders from ours.
        key = (self.seed, self.restarts, number)
        orders = self._orders
        if key not in orders:
            fresh = numpy.random.RandomState(key).permutation(self.rows)
            self._orders = {**{old: order for old, order in orders.items() if old[2] == number - 1}, key: fresh}
            return fresh
        return orders[key]


def _normal(random, shape):
    return random.standard_normal(shape, numpy.float32)


def _uniform(random, shape):
    return random.uniform(-1.0, 1.0, shape).astype(numpy.float32)
