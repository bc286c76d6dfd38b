"""Features of real images, kept in a file beside their data set, so that they are computed once."""

import zipfile

import numpy as np

from facegan import files

BLOCK = 1024  # rows in memory at once
VERSION = "onet-48-bilinear"  # changes with what `face_features` computes


class FeatureCache:
    """The face features of rows of a data set; a file of another data set or version is written anew.

    Args:
        path: the cache file, or None to keep nothing.
        fingerprint: the data set's, from `data.load_images`.
        pixels: the data set, uint8 (n, height, width, channels).
        look: a function from pixels to (features (n, d), face scores (n,) or None).
    """

    def __init__(self, path, fingerprint, pixels, look):
        self.path, self.key, self.pixels, self.look = path, f"{VERSION} {fingerprint}", pixels, look
        self.rows, self.features, self.scores = np.empty(0, np.int64), None, None
        if path is not None:
            self._read()

    def look_at_rows(self, rows):
        """(features, face scores or None) of the data set's rows, in their order; computes those not known yet."""
        rows = np.asarray(rows)
        missing = np.setdiff1d(rows, self.rows)
        if len(missing):
            parts = [self.look(self.pixels[missing[k : k + BLOCK]]) for k in range(0, len(missing), BLOCK)]
            self._add(missing, *zip(*parts, strict=True))
            if self.path is not None:
                self._write()
        places = np.argsort(self.rows)[np.searchsorted(np.sort(self.rows), rows)]
        return self.features[places], None if self.scores is None else self.scores[places]

    def _add(self, rows, features, scores):
        self.rows = np.concatenate([self.rows, rows])
        self.features = np.concatenate([*([] if self.features is None else [self.features]), *features])
        if scores[0] is not None:
            self.scores = np.concatenate([*([] if self.scores is None else [self.scores]), *scores])

    def _read(self):
        try:
            with self.path.open("rb") as file, np.load(file) as saved:
                if str(saved["key"]) == self.key:
                    self.rows, self.features, self.scores = saved["rows"], saved["features"], saved["scores"]
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return  # none yet, or damaged: it only holds what can be computed again

    def _write(self):
        with files.whole_file(self.path) as file:
            np.savez(file, key=np.array(self.key), rows=self.rows, features=self.features, scores=self.scores)
