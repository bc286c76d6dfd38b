"""What the web pages share: images and data written so that they can stand inside a page."""

import base64
import io
import json

from facegan import images

JPEG_QUALITY = 90  # a page of 2,000 faces at 80x80 then takes some 6 MB


def data_uri(pixels):
    """One image, pixels (height, width, channels) uint8, as the text of a data: address."""
    memory = io.BytesIO()
    images.picture(pixels).save(memory, format="JPEG", quality=JPEG_QUALITY, subsampling=0)
    return "data:image/jpeg;base64," + base64.b64encode(memory.getvalue()).decode("ascii")


def as_script(data):
    """Data as JSON that is safe between <script> tags."""
    return json.dumps(data, ensure_ascii=True).replace("<", "\\u003c")
