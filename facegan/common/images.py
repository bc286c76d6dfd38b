"""Pixels and pictures: value ranges, numbered grids, captions, animations. numpy and Pillow, and ffmpeg for .mp4.

pixels are uint8 (n, height, width, 1 or 3); images are floats in the range of the generator's last activation.
"""

import dataclasses
import errno
import functools
import importlib.util
import io
import math
import subprocess
from pathlib import Path

from facegan.common import cli

import numpy as np
from PIL import ExifTags, Image, ImageDraw, ImageFont

PHOTO_SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".gif", ".bmp", ".dib"),
    *(".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm", ".avif"),
)
ANIMATIONS = (".gif", ".webp", ".mp4")
LUMINANCE = (0.299, 0.587, 0.114)  # the parts of red, green and blue in brightness, ITU-R BT.601
TILE_SIDE = 96  # pixels of a face's shorter side in a picture; smaller images are enlarged by a whole factor
LARGEST_SIDE = 8_000  # pixels of a picture with enlarged faces; beyond it, faces keep their own size
LARGEST_AREA = 250_000_000  # pixels of a picture, 750 MB of memory
WEBP_QUALITY = 90  # of 100
MP4_QUALITY = 17  # H.264's constant rate factor: 0 is lossless, 51 the worst
GAP = 4
LABEL_SIZE = 13
CAPTION_SIZE = 16
INK = 0x20
PAPER = 0xFF


def to_images(pixels, pixel_range):
    """Convert pixels 0..255 to images in a generator's range.

    Args:
        pixels: numpy uint8, or a float tensor of any backend.
        pixel_range: the generator's last activation, "tanh" for −1..1 or "sigmoid" for 0..1.

    Returns:
        The same kind of array: float32 for numpy.
    """
    if isinstance(pixels, np.ndarray):
        pixels = pixels.astype(np.float32)
    low, scale = _range(pixel_range)
    return pixels / scale + low


def to_pixels(images, pixel_range):
    """Convert images in a generator's range to pixels uint8: rounded, and clipped to 0..255.

    Raises:
        cli.NotFiniteError: a value is NaN or infinite; as pixels it would look like an image.
    """
    low, scale = _range(pixel_range)
    values = (np.asarray(images, np.float32) - low) * scale
    if not np.isfinite(values).all():
        raise cli.NotFiniteError(
            "MODEL: draws images of NaN or infinity: its training failed before it was saved, or the latents are too "
            "large; name an older generator, or other faces"
        )
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _range(pixel_range):
    """(the value of black, pixel levels per unit)."""
    if pixel_range == "tanh":
        return -1.0, 127.5
    if pixel_range == "sigmoid":
        return 0.0, 255.0
    raise ValueError(f"{pixel_range!r} is not a known range of images; it must be tanh or sigmoid")


def as_shown(pixels, inverted):
    """Pixels as pictures show them: unchanged, or inverted, so that digits stored white on black are dark on light.

    The tutorials draw digits with a reversed grey colour map. Files that hold the pixels themselves are never inverted.
    """
    return 255 - pixels if inverted else pixels


def picture(pixels):
    """One image, pixels (height, width, 1 or 3), as a PIL image of the same size."""
    return Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)


@dataclasses.dataclass(frozen=True)
class Layout:
    """The layout of images in a grid: each is enlarged by `scale`, in a cell with its label and a gap."""

    rows: int
    columns: int
    scale: int
    cell_height: int
    cell_width: int


def layout(count, height, width, columns=None, labelled=True):
    """Lay out `count` images of (height, width), see `grid`.

    Raises:
        ValueError: the picture would have more than `LARGEST_AREA` pixels.
    """
    columns = min(columns or math.ceil(math.sqrt(count)), count)
    rows = math.ceil(count / columns)
    scale = math.ceil(TILE_SIDE / min(height, width))
    if max(rows * height, columns * width) * scale > LARGEST_SIDE:
        scale = 1
    cell_height = height * scale + GAP + (LABEL_SIZE + 4 if labelled else 0)
    cell_width = width * scale + GAP
    if rows * cell_height * columns * cell_width > LARGEST_AREA:
        raise ValueError(
            f"{count:,} images would make a picture of {columns * cell_width:,}x{rows * cell_height:,} pixels; "
            "draw fewer at a time"
        )
    return Layout(rows, columns, scale, cell_height=cell_height, cell_width=cell_width)


def printable(text):
    """A label as fonts can draw it: a photograph's name may contain line breaks, or bytes that are no text."""
    text = str(text).encode("utf-8", "replace").decode("utf-8")
    return "".join(character if character.isprintable() else " " for character in text)


def grid(pixels, columns=None, numbers=None):
    """Draw images in rows on white, each above its label.

    Args:
        pixels: (n, height, width, channels) uint8.
        columns: images in a row; None makes the grid as square as possible.
        numbers: n numbers or short strings ("" for none), or None for a grid without labels.

    Returns:
        A PIL image, mode "RGB". Small images are enlarged by a whole factor to `TILE_SIDE` pixels or more.
    """
    count, height, width = pixels.shape[:3]
    cells = layout(count, height, width, columns, labelled=numbers is not None)
    tile_size = (width * cells.scale, height * cells.scale)
    size = (cells.columns * cells.cell_width + GAP, cells.rows * cells.cell_height + GAP)
    sheet = Image.new("RGB", size, (PAPER,) * 3)
    draw = ImageDraw.Draw(sheet)
    for k, image in enumerate(pixels):
        left = GAP + k % cells.columns * cells.cell_width
        top = GAP + k // cells.columns * cells.cell_height
        sheet.paste(picture(image).resize(tile_size, Image.Resampling.BICUBIC), (left, top))
        if numbers is not None:
            below = (left + tile_size[0] // 2, top + tile_size[1] + 2)
            label = printable(numbers[k])
            draw.text(below, label, (INK,) * 3, _fitting_font(label, tile_size[0]), "ma")
    return sheet


def stack(pictures, captions=None):
    """Stack PIL pictures on white, aligned left, each under its caption ("" for none)."""
    captions = [printable(caption) for caption in captions or [""] * len(pictures)]
    heights = [CAPTION_SIZE + 12 if caption else 0 for caption in captions]
    text_widths = [math.ceil(font(CAPTION_SIZE).getlength(caption)) + 2 * GAP for caption in captions]
    width = max([*text_widths, *(picture.width for picture in pictures)])
    total = sum(heights) + sum(picture.height for picture in pictures)
    sheet = Image.new("RGB", (width, total), (PAPER,) * 3)
    draw = ImageDraw.Draw(sheet)
    top = 0
    for part, caption, height in zip(pictures, captions, heights, strict=True):
        if caption:
            draw.text((GAP, top + height // 2), caption, (INK,) * 3, font(CAPTION_SIZE), "lm")
        sheet.paste(part, (0, top + height))
        top += height + part.height
    return sheet


def beside(pictures):
    """Place PIL pictures side by side on white, aligned at the top."""
    sheet = Image.new("RGB", (sum(part.width for part in pictures), max(part.height for part in pictures)), "white")
    left = 0
    for part in pictures:
        sheet.paste(part, (left, 0))
        left += part.width
    return sheet


def save_animation(frames, path, milliseconds=80, comment=""):
    """Write PIL pictures of one size as an animation, in the format of the path's suffix, one of `ANIMATIONS`.

    GIF and WebP repeat forever; `.mp4` needs the package imageio_ffmpeg.
    """
    write = {".gif": _save_gif, ".webp": _save_webp, ".mp4": _save_mp4}[Path(path).suffix.lower()]
    write([frame.convert("RGB") for frame in frames], path, milliseconds, comment)


def _save_gif(frames, path, milliseconds, comment):
    # Each frame gets its own palette of 256 colours: a shared one would make faces blotchy.
    frames = [frame.quantize() for frame in frames]
    _save_frames(frames, path, "GIF", milliseconds, disposal=2, comment=comment.encode(), optimize=False)


def _save_webp(frames, path, milliseconds, comment):
    exif = Image.Exif()
    exif[ExifTags.Base.ImageDescription] = comment.encode()  # of a str, Pillow would keep only what is ASCII
    _save_frames(frames, path, "WEBP", milliseconds, quality=WEBP_QUALITY, exif=exif)


def _save_frames(frames, path, form, milliseconds, **settings):
    settings |= {"save_all": True, "append_images": frames[1:], "duration": milliseconds, "loop": 0}
    memory = io.BytesIO()  # into a file, Pillow writes GIF and JPEG without noticing that the disk has become full
    frames[0].save(memory, form, **settings)
    Path(path).write_bytes(memory.getbuffer())


def _save_mp4(frames, path, milliseconds, comment):
    import imageio_ffmpeg

    source = f"-f rawvideo -pix_fmt rgb24 -s {frames[0].width}x{frames[0].height} -r 1000/{milliseconds} -i -".split()
    # Players take H.264 in 4:2:0 only, which needs even sides.
    video = ["-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2:color=white", *f"-pix_fmt yuv420p -crf {MP4_QUALITY}".split()]
    result = ["-movflags", "+faststart", "-metadata", f"comment={comment}", f"file:{path}"]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-loglevel", "error", *source, *video, *result]
    done = subprocess.run(command, input=b"".join(frame.tobytes() for frame in frames), capture_output=True)
    if done.returncode:
        raise OSError(errno.EIO, f"ffmpeg: {done.stderr.decode(errors='replace').strip()}")


@functools.cache
def font(size):
    """The font of labels and captions: matplotlib's, if that is installed, else Pillow's."""
    package = importlib.util.find_spec("matplotlib")
    if package is None:
        return ImageFont.load_default(size)
    return ImageFont.truetype(Path(package.origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf", size)


def _fitting_font(text, width):
    """The largest font for labels, down to size 8, in which the text is no wider than its image."""
    fitting = (size for size in range(LABEL_SIZE, 8, -1) if font(size).getlength(text) <= width)
    return font(next(fitting, 8))
