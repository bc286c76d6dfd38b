"""Web pages that open from disk, without a server or a network: images, data and script are inside the file.

Their HTML and JavaScript are the files in `pages/`, which `_page` fills in.
"""

import base64
import html
import io
import json
import math
import string
from pathlib import Path

from facegan.common import images

import numpy as np

PAGES = Path(__file__).parent / "pages"
JPEG_QUALITY = 90  # a page of 2,000 faces at 80x80 then takes some 6 MB
LARGEST_SIDE = 16_000  # pixels; phones and some browsers cannot show larger images
GROUPS = [(1, "smiling_woman"), (-1, "neutral_woman"), (1, "neutral_man")]


def contact_page(pixels, labels, *, model, options, made_by):
    """Build the contact sheet: faces to click into named groups, and finished commands to copy.

    Args:
        pixels: (n, height, width, channels) uint8. labels: how each face is written on the command line.
        model: MODEL as it should appear in the commands, quoted for a shell; "" if it was left out.
        options: what every command must repeat to mean the same faces, such as "--latents points.npz"; may be "".
        made_by: a `provenance.record`.

    Returns:
        The text of an HTML file.
    """
    faces = [[str(label), _data_uri(image)] for label, image in zip(labels, pixels, strict=True)]
    return _page("contact_sheet", {"faces": faces, "groups": GROUPS, "model": model, "options": options}, made_by)


def map_page(pixels, labels, order, *, model, options, made_by):
    """Build the map of the latent space: one large picture to pan and zoom, on which each face shows its number.

    Args:
        pixels, labels, model, options, made_by: as for `contact_page`.
        order: (side · side,), the image at each place, row by row, −1 for none, as from `map_layout.arrange`.

    Returns:
        The text of an HTML file.
    """
    side = math.isqrt(len(order))
    height, width, channels = pixels.shape[1:]
    placed = np.concatenate([pixels, np.full((1, height, width, channels), 255, np.uint8)])[order]
    sheet = placed.reshape(side, side, height, width, channels).transpose(0, 2, 1, 3, 4)
    data = {
        "picture": _data_uri(sheet.reshape(side * height, side * width, channels)),
        "labels": ["" if k < 0 else str(labels[k]) for k in order],
        "columns": side,
        "width": width,
        "height": height,
        "model": model,
        "options": options,
    }
    return _page("map", data, made_by)


def check_map_size(count, height, width):
    """Raise ValueError if the map of `count` images would be larger than browsers can show."""
    side = math.ceil(math.sqrt(count))
    if side * max(height, width) > LARGEST_SIDE:
        most = (LARGEST_SIDE // max(height, width)) ** 2
        raise ValueError(f"{count:,} images make a larger picture than browsers can show; map at most {most:,}")


def _page(name, data, made_by):
    """Fill in `pages/NAME.html` with its script and with data: a JSON object that includes "model"."""
    parts = (f"{name}.html", "shared.js", f"{name}.js")
    template, shared, script = ((PAGES / part).read_text(encoding="utf-8") for part in parts)
    return string.Template(template).substitute(
        made_by=html.escape(json.dumps(made_by)),
        model=html.escape(data["model"] or "the bundled generator"),
        # A "<" could end the element that the data is in.
        data=json.dumps(data).replace("<", "\\u003c"),
        script=f"{shared}\n{script}",
    )


def _data_uri(pixels):
    """One image, pixels (height, width, channels) uint8, as a data: address."""
    memory = io.BytesIO()
    images.picture(pixels).save(memory, format="JPEG", quality=JPEG_QUALITY, subsampling=0)
    return "data:image/jpeg;base64," + base64.b64encode(memory.getvalue()).decode("ascii")
