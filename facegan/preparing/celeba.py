"""CelebA: its photographs, fetched through the optional package `kagglehub`, and its table of attributes."""

import csv
import os
import sys
from pathlib import Path

from facegan.common import files

CELEBA = "jessicali9530/celeba-dataset"
LICENCE = (
    "CelebA (Liu et al. 2015) is for non-commercial research only: neither the photographs nor parts of them may be "
    "passed on, and they belong to their owners, not to those who gathered them. Read and accept its agreement at "
    "https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html before you use it."
)


def fetch_celeba(folder):
    """Download CelebA's 202,599 aligned photographs, resume an interrupted download, or find them downloaded already.

    Prints CelebA's licence on standard error before it downloads.

    Args:
        folder: where to keep them; nothing is written elsewhere.

    Returns:
        The folder of the `.jpg` files.

    Raises:
        ValueError: kagglehub is missing, the folder cannot be written or the download failed.
    """
    try:
        import kagglehub
    except ImportError:
        raise ValueError("kagglehub is missing: pip install kagglehub, or download CelebA yourself") from None
    folder = files.writable_folder(folder)
    # Its cache, unlike its `output_dir`, resumes an interrupted download. Read when kagglehub is called.
    os.environ["KAGGLEHUB_CACHE"] = str(folder.resolve())
    print(f"{LICENCE}\nCelebA goes to {folder}: 1.4 GB to download, 3 GB while it is unpacked.", file=sys.stderr)
    try:
        fetched = Path(kagglehub.dataset_download(CELEBA))
    except KeyboardInterrupt:
        raise KeyboardInterrupt("run the same command to resume the download") from None
    except Exception as error:  # kagglehub passes on whatever its network and archive libraries raise
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ValueError(f"{folder}: the download failed ({reason}); run the same command to resume it") from None
    photographs = fetched / "img_align_celeba"
    if not photographs.is_dir():
        raise ValueError(f"{fetched}: has no img_align_celeba; remove this folder and download again")
    return photographs


def attribute_tables(photographs):
    """CelebA's tables of attributes, which lie beside the folder that `fetch_celeba` returned."""
    return sorted(photographs.parent.glob("list_attr_celeba.*"))


class Attributes:
    """A table of attributes of photos, such as CelebA's list_attr_celeba.txt, or the same table as a .csv.

    In the .txt the number of photos stands first, then a line with the names of the attributes, then lines with a
    photo's name and its values, all separated by blanks. The .csv has a header; its first column is the photo's name.

    Attributes:
        path: the file. columns: names of the attributes. missing: how many photos were asked for that it lacks.

    Raises:
        ValueError: the file cannot be read or is not such a table.
    """

    def __init__(self, path):
        self.path, self.missing = path, 0
        lines = _text(path).splitlines()
        if Path(path).suffix.lower() == ".csv":
            rows = csv.reader(lines)
            try:
                self.columns = next(rows, [])[1:]
                self._values = {row[0]: tuple(row[1:]) for row in rows if row}
            except csv.Error as error:
                raise ValueError(f"{path}: line {rows.line_num}: {error}") from None
        else:
            start = 1 if lines and lines[0].strip().isdigit() else 0
            self.columns = lines[start].split() if len(lines) > start else []
            self._values = {fields[0]: tuple(fields[1:]) for fields in map(str.split, lines[start + 1 :]) if fields}
        if not self.columns or not self._values:
            raise ValueError(f"{path}: is not a table of attributes, such as CelebA's list_attr_celeba")
        for name, values in self._values.items():
            if len(values) != len(self.columns):
                raise ValueError(f"{path}: {name} has {len(values)} values for {len(self.columns)} attributes")

    def of(self, source):
        """The values of a photo by column, looked up by its name with and without folders; {} if it is not there."""
        values = self._values.get(source) or self._values.get(source.rsplit("/", 1)[-1])
        self.missing += values is None
        return dict(zip(self.columns, values or (), strict=False))


def _text(path):
    if Path(path).is_char_device():  # such as /dev/zero, which has no end
        raise ValueError(f"{path}: is a device, not a text file")
    try:
        return Path(path).read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"{path}: is not a text file") from None
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror or error})") from None
