"""The training images that generated ones are closest to: has the generator learnt them by heart?"""

import numpy as np

from facegan import distances, files, images

TRAINING_ROWS = 20_000  # at most, drawn at random
SHOWN = 8
COUNT = 4


class Neighbours:
    """The nearest training images of generated ones.

    Args:
        drawn: faces 1, 2, … of a generator, uint8 (n, height, width, channels).
        judge: the `quality.Judge` whose features are compared.
        known: the `feature_cache.FeatureCache` of the data set `pixels`.
        held_out: its rows that were not trained on.

    Attributes:
        novelty: the mean distance of generated images to the nearest training image over that of held-out ones; 1 is
            as new as real images are, near 0 copied. None where no held-out images are measured.
    """

    def __init__(self, drawn, judge, known, pixels, held_out):
        self.drawn, self.pixels = drawn, pixels
        trained_on = np.setdiff1d(np.arange(len(pixels)), held_out)
        self.training_rows = np.sort(np.random.RandomState(2).permutation(trained_on)[:TRAINING_ROWS])
        among = known.look_at_rows(self.training_rows)[0]
        found, self.distances = distances.nearest(judge.look(drawn)[0], among, COUNT)
        self.rows = self.training_rows[found]
        self.novelty = None
        if judge.held_out:
            real = distances.nearest(judge.features, among, 1)[1]
            self.novelty = float(self.distances[:, 0].mean() / real.mean())

    def describe(self):
        """A line for people on how new the generated images are."""
        text = f"nearest of {len(self.training_rows):,} training images: "
        if self.novelty is None:
            return text + "without held-out images there is no distance to compare theirs with"
        return text + f"{self.novelty:.2f} times as far as from held-out real images (near 0: learnt by heart)"

    def save_picture(self, path):
        """Write a PNG: the generated images closest to any training image, then faces 1 to 8, each with its nearest."""
        closest = np.argsort(self.distances[:, 0], kind="stable")[:SHOWN]
        first = np.arange(min(SHOWN, len(self.drawn)))
        captions = [f"The generated images closest to a training image, of {len(self.drawn):,}", "The first faces"]
        sheet = images.stack([self._grid(closest), self._grid(first)], captions)
        with files.whole_path(path) as temporary:
            sheet.save(temporary)

    def _grid(self, chosen):
        """Each row: a generated image, labelled by its number, and its neighbours by row and distance."""
        shown, labels = [], []
        for k in chosen:
            shown += [self.drawn[k], *(self._fitted(row) for row in self.rows[k])]
            near = zip(self.rows[k], self.distances[k], strict=True)
            labels += [f"face {k + 1}", *(f"row {row}: {distance:.2f}" for row, distance in near)]
        return images.grid(np.stack(shown), columns=1 + self.rows.shape[1], numbers=labels)

    def _fitted(self, row):
        """A training image at the size of the generated ones."""
        image, (height, width) = self.pixels[row], self.drawn.shape[1:3]
        resized = np.asarray(images.picture(np.ascontiguousarray(image)).resize((width, height)))
        return resized.reshape(height, width, -1)
