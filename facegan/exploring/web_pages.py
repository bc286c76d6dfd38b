"""The page that explores a generator: one file that opens from disk, without a server or a network.

The generator, its faces and the script are inside it. HTML, CSS and JavaScript are the files in `pages/`.
"""

import base64
import dataclasses
import hashlib
import html
import io
import json
import math
import string
from pathlib import Path

from facegan.common import images

import numpy as np

PAGES = Path(__file__).parent / "pages"
WORKER = ("matrices.js", "network.js", "worker.js")
SCRIPT = (
    *("shared.js", "random.js", "latents.js", "artist.js", "state.js", "commands.js", "files.js"),
    *("wall.js", "map.js", "stage.js", "explore.js"),
)
THUMBNAIL_SIDE = 40  # pixels of a face's shorter side on the map, at most; close up, the page draws the face itself
JPEG_QUALITY = 85  # 1,024 thumbnails then take about 1 MB
GROUPS = [(1, "smiling_woman"), (-1, "neutral_woman"), (1, "neutral_man")]
# Nothing is fetched; only this page's own script runs, a worker made of its text, and WebAssembly made by the worker.
SOURCES = "script-src {script} 'wasm-unsafe-eval'; style-src {style}; worker-src blob:; img-src data:"
POLICY = f"default-src 'none'; {SOURCES}"


@dataclasses.dataclass(frozen=True)
class Slider:
    """A direction for which the page has a slider.

    Attributes:
        name: on the slider. step: (latent_dim,), what strength 1 adds. kind: "named" or "unsupervised".
        term: how a formula names it. saved_by: the options with which vector_arithmetic.py saves it first, or "".
    """

    name: str
    step: np.ndarray
    kind: str
    term: str
    saved_by: str = ""


@dataclasses.dataclass(frozen=True)
class Faces:
    """The faces of a page.

    Attributes:
        labels: how each is written on the command line, for the wall; None for all numbers.
        from_file: whether numbers are rows of a file. given: {label: latent (latent_dim,)} of rows and photographs.
        photographs: the labels among these whose latents are never truncated.
    """

    labels: list | None
    from_file: bool
    given: dict
    photographs: list


@dataclasses.dataclass(frozen=True)
class Map:
    """The map: pixels (n, height, width, channels) uint8 of faces and their labels; `order` as from `map_layout`."""

    pixels: np.ndarray
    labels: list
    order: np.ndarray


def explore_page(generator, network, *, faces, sliders, map_, truncation, model, options, made_by):
    """Build the page.

    Args:
        generator: a `generators.Generator`. network: what `page_network.describe` returns.
        faces: a `Faces`. sliders: a list of `Slider`. map_: a `Map`, or None.
        truncation: what the page begins with.
        model: MODEL as it should appear in the commands, quoted for a shell; "" if it was left out.
        options: what every command must repeat to mean the same faces, such as "--latents points.npz"; may be "".
        made_by: a `provenance.record`.

    Returns:
        The text of an HTML file.
    """
    layers, weights = network
    data = {
        "network": {
            **layers,
            "latentDim": generator.latent_dim,
            "pixelRange": generator.pixel_range,
            "inverted": generator.inverted,
        },
        "prior": generator.latent_prior,
        "size": [generator.height, generator.width],
        "truncation": truncation,
        "faces": faces.labels,
        "fromFile": faces.from_file,
        "given": {"faces": list(faces.given), "latents": _numbers(list(faces.given.values()))},
        "photographs": faces.photographs,
        "directions": [{**dataclasses.asdict(slider), "step": _numbers(slider.step)} for slider in sliders],
        "map": map_ and _map_data(map_, generator.inverted),
        "groups": GROUPS,
        "model": model,
        "options": options,
        "record": made_by,
    }
    style, script = _text("explore.css"), "\n".join(map(_text, SCRIPT))
    return string.Template(_text("explore.html")).substitute(
        policy=POLICY.format(script=_hash(script), style=_hash(style)),
        made_by=html.escape(json.dumps(made_by)),
        model=html.escape(model or "the bundled generator"),
        style=style,
        # A "<" could end the element that the data is in.
        data=json.dumps(data).replace("<", "\\u003c"),
        weights=weights,
        worker="\n".join(map(_text, WORKER)),
        script=script,
    )


def _text(name):
    return (PAGES / name).read_text(encoding="utf-8")


def _hash(text):
    """How a content security policy names the text of an element."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}'"


def _numbers(array):
    return base64.b64encode(np.asarray(array, "<f4").tobytes()).decode("ascii")


def _map_data(map_, inverted):
    """The map as one picture of thumbnails, with the label at each place."""
    side = math.isqrt(len(map_.order))
    thumbnails = np.stack([_thumbnail(image) for image in images.as_shown(map_.pixels, inverted)])
    height, width, channels = thumbnails.shape[1:]
    placed = np.concatenate([thumbnails, np.full((1, height, width, channels), 128, np.uint8)])[map_.order]
    sheet = placed.reshape(side, side, height, width, channels).transpose(0, 2, 1, 3, 4)
    return {
        "picture": _data_uri(sheet.reshape(side * height, side * width, channels)),
        "faces": ["" if k < 0 else str(map_.labels[k]) for k in map_.order],
        "columns": side,
        "width": width,
        "height": height,
    }


def _thumbnail(image):
    """An image (height, width, channels) uint8, reduced if it is large."""
    height, width, channels = image.shape
    scale = min(1, THUMBNAIL_SIDE / min(height, width))
    small = images.picture(image).resize((round(width * scale), round(height * scale)))
    return np.asarray(small).reshape(small.height, small.width, channels)


def _data_uri(pixels):
    """One image, pixels (height, width, channels) uint8, as a data: address."""
    memory = io.BytesIO()
    images.picture(pixels).save(memory, format="JPEG", quality=JPEG_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(memory.getvalue()).decode("ascii")
