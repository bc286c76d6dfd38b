"""A photographed face, and the same face under noise."""

import matplotlib.cbook
import numpy as np
from PIL import Image

FACE_OF_THE_PHOTO = (178, 110, 351, 330)


def portrait(side=80):
    """A public-domain photograph that comes with matplotlib, cropped to the face: uint8 (side, side, 3)."""
    photo = Image.open(matplotlib.cbook.get_sample_data("grace_hopper.jpg", asfileobj=False))
    return np.asarray(photo.crop(FACE_OF_THE_PHOTO).resize((side, side), Image.Resampling.LANCZOS))


def portraits(count, side=80):
    """The same face under `count` strengths of noise, uint8 (count, side, side, 3)."""
    strengths = np.linspace(0, 60, count)[:, None, None, None]
    noise = np.random.default_rng(0).normal(size=(count, side, side, 3)) * strengths
    return np.clip(portrait(side) + noise, 0, 255).astype(np.uint8)
