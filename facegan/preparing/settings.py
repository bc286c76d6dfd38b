"""The settings by which a data set is prepared. Its file holds them, so that a later photo can be prepared alike."""

import dataclasses
import json

from facegan.common import datasets

KEEP = ("best", "largest", "all")
CROPS = ("face", "centre")
WRITTEN_BY = "prepared faces"
TEMPLATE_NAME = "five landmarks"  # of `crops.TEMPLATE`, recorded with aligned images; to be changed with it


@dataclasses.dataclass(frozen=True)
class Settings:
    """How photos become rows of a data set.

    Attributes:
        height, width: of the images, in pixels.
        grey: one channel instead of three.
        crop: "face", or "centre" for the largest centred rectangle.
        keep: which of a photo's faces: "best" (most confident), "largest" or "all".
        min_confidence: faces with a lower confidence, 0..1, are left out.
        min_size: faces whose box has a shorter side, in pixels of the photo, are left out.
        frontal: faces with a lower `crops.frontality`, 0..1, are left out.
        min_detail: faces whose image has fewer pixels of the photo along one of its own are left out, see
            `crops.detail`; 1 keeps only images that are not enlarged.
        min_inside: faces of whose aligned image a smaller share, 0..1, lies inside the photo are left out.
        margin, align: see `crops.cut_face`.
        fast: detect big faces in a reduced photo.
        drop_duplicates: leave out photos with the same pixels as an earlier one.
        limit: the data set ends with this row, however many photos follow; 0 for no limit.
    """

    height: int = 80
    width: int = 80
    grey: bool = False
    crop: str = "face"
    keep: str = "best"
    min_confidence: float = 0.0
    min_size: int = 0
    frontal: float = 0.0
    min_detail: float = 0.0
    min_inside: float = 0.0
    margin: float = 0.0
    align: bool = False
    fast: bool = False
    drop_duplicates: bool = False
    limit: int = 0

    @property
    def row_shape(self):
        """(height, width, channels) of a row."""
        return self.height, self.width, 1 if self.grey else 3


def write_settings(settings, shard=None):
    """Encode settings as bytes, for the comment of the data set's file; `shard` is (number, count) or None."""
    record = {"facegan": WRITTEN_BY, **dataclasses.asdict(settings)}
    if settings.align:
        record["template"] = TEMPLATE_NAME
    if shard:
        record["shard"] = list(shard)
    return json.dumps(record, sort_keys=True).encode()


def read_settings(path):
    """Read how a data set was prepared.

    Returns:
        (settings, shard), the shard (number, count), or None for a whole data set.

    Raises:
        ValueError: the file has no such record, because something else wrote it.
    """
    record = datasets.preparation_record(path)
    if record.get("facegan") != WRITTEN_BY:
        raise ValueError(f"{path}: has no record of how its photos were prepared; prepare_faces.py writes one")
    return settings_of(record), tuple(record["shard"]) if "shard" in record else None


def settings_of(record):
    """The `Settings` in a dictionary that `write_settings` encoded; its other entries are ignored."""
    names = {field.name for field in dataclasses.fields(Settings)}
    return Settings(**{name: value for name, value in record.items() if name in names})
