"""Draw the first images of a data set, or the first photographs of a folder: look before you train.

    python lessons/plot_dataset.py mnist --out digits.png
    python lessons/plot_dataset.py cifar10 --out cifar.png
    python lessons/plot_dataset.py photos.zip --out photographs.png

As each tutorial does first: 25 digits, dark on light, 49 images in colour, or 25 raw
photographs, each made to fit a square. Prints shapes and the range of the values.
Copy with it: facegan/common; for photographs also facegan/preparing.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from facegan.common import cli, datasets, files, images

import numpy as np
from PIL import Image, ImageOps

SIDE = 160  # pixels of the square that a photograph is made to fit


def main():
    options = parse_arguments()
    with cli.naming("--out"):
        files.writable_path(options.out, (".png",))
    if options.data in datasets.NAMED:
        cli.import_keras()  # which downloads them
    if options.data in datasets.NAMED or Path(options.data).suffix == ".npz":
        with cli.naming("DATA"):
            pixels = datasets.load_or_patches(options.data)
        print(f"images: {pixels.dtype} {pixels.shape}")
    else:
        pixels = photographs(options.data)
    # Digits are stored white on black; the tutorials draw them with a reversed grey colour map.
    columns = 5 if pixels.shape[-1] == 1 or len(pixels) <= 25 else 7
    chosen = pixels[: columns**2]
    print(f"drawn: {len(chosen)}, values from {chosen.min()} to {chosen.max()}")
    with files.atomic_write(options.out) as file:
        images.grid(images.as_shown(chosen, pixels.shape[-1] == 1), columns).save(file, "PNG")


def parse_arguments():
    parser = cli.parser(__doc__)
    what = "mnist, cifar10, a .npz of images, or a folder, .zip or list of photographs"
    parser.add_argument("data", metavar="DATA", help=what)
    parser.add_argument("--out", required=True, type=Path, metavar="PNG", help="the picture")
    return parser.parse_args()


def photographs(path):
    """The first 25 photographs that can be read, each fitted into a white square: (n, SIDE, SIDE, 3)."""
    cli.require_rooms(("preparing",), "photographs")
    from facegan.preparing import photos

    with cli.naming("DATA"):
        source = photos.open_source(path)
    print(f"{len(source.names):,} photographs")
    squares = []
    for name in source.names:
        try:
            pixels, (height, width) = photos.decode(source.read(name), SIDE)
        except photos.UnreadableError as error:
            print(f"{name}: {error}")
            continue
        print(f"{name}: {width}x{height} pixels")
        squares.append(np.asarray(ImageOps.pad(Image.fromarray(pixels), (SIDE, SIDE), color="white")))
        if len(squares) == 25:
            break
    if not squares:
        raise cli.UserError(f"DATA {path}: none of its photographs can be read")
    return np.stack(squares)


if __name__ == "__main__":
    cli.run(main)
