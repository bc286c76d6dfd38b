"""Cut the faces out of photographs and pack them into one file that train_gan.py reads.

    python prepare_faces.py photos.zip --out data/faces80.npz --size 80

PHOTOS is a folder, searched with all folders in it, a .zip, read without unpacking, or a text file listing paths.
Writes, for --out data/faces80.npz:

  data/faces80.npz       arr_0, uint8 (faces, height, width, channels), and in its comment how they were prepared
  data/faces80.csv       what became of each photo: status, row, box, confidence, landmarks
  data/faces80.png       25 of the faces
  data/faces80.partial/  while it works; the same command goes on from there, however it was interrupted
  data/celeba/           with --download celeba: what it fetched

On a cluster, --shard 3/16 prepares the third of sixteen parts, and --merge joins the parts to the same file as one run:

    python prepare_faces.py --merge part*.npz --out data/faces80.npz

Needs: facegan/ commands, crops, detector, download, files, images, ledger, merging, npz, partial, photos, pipeline,
preparation, progress, pyramid, suppression.
"""

import contextlib
import dataclasses
import hashlib
import sys
import time
from pathlib import Path

import numpy as np

from facegan import commands, download, files, images, ledger, merging, npz, partial, photos, pipeline, preparation
from facegan.progress import Progress

PREVIEW = 25
GO_ON = "run the same command to go on"


def main(arguments=None):
    options = parse_arguments(arguments)
    out = checked_output(options)
    if out is None:
        return None
    if options.merge:
        report(out, *merging.merge(options.merge, out, save_preview))
        return None
    settings = chosen_settings(options)
    if settings.crop == "face":
        from facegan import detector

        detector.need_tensorflow()
    book = ledger.Ledger(settings.drop_duplicates, opened("--attributes", ledger.Attributes, options.attributes))
    fetched = options.download and download.fetch_celeba(Path(options.out).parent / "celeba")
    source = opened("PHOTOS", photos.open_source, options.photos or fetched)
    names = chosen_names(source.names, options)
    plan = full_plan(source, names, settings, book, options)
    start = time.monotonic()
    with partial.Partial(out, plan, settings.row_shape, book.header(), options.overwrite) as work:
        tried = len(names) - work.photos
        prepare(work, names, source, settings, book)
        work.finish(preparation.write_settings(settings, options.shard), save_preview)
    report(out, work.rows, work.counts)
    report_speed(tried, time.monotonic() - start, work.photos, book)
    # A part may be empty, its whole may not.
    return commands.EXIT_USER_ERROR if not (work.rows or options.shard) else None


def parse_arguments(arguments):
    parser = commands.parser(__doc__)
    parser.add_argument("photos", nargs="?", metavar="PHOTOS", help="a folder, a .zip, or a text file listing paths")
    parser.add_argument("--out", required=True, metavar="NPZ", help="the file to write")
    parser.add_argument("--overwrite", action="store_true", help="replace the file if it is there; begin again")
    parser.add_argument(
        "--size",
        type=commands.argument(parse_size),
        default=(80, 80),
        metavar="N",
        help="side of the images in pixels, or HEIGHTxWIDTH (default 80)",
    )
    parser.add_argument("--limit", type=commands.integer(1), metavar="N", help="take only the first N photos, by name")
    parser.add_argument("--grey", action="store_true", help="one channel instead of three")
    add_choices(parser)
    add_sources(parser)
    options = parser.parse_args(arguments)
    if sum(map(bool, (options.photos, options.download, options.merge))) != 1:
        parser.error("name PHOTOS, or --download celeba, or --merge with the parts to be joined")
    return options


def add_choices(parser):
    group = parser.add_argument_group("which faces, and how they are cut")
    group.add_argument(
        "--crop", choices=preparation.CROPS, default="face", help="centre takes the middle of any picture, faceless too"
    )
    group.add_argument(
        "--keep",
        choices=preparation.KEEP,
        default="best",
        help="of a photo's faces: the most confident (best), the largest, or all, small ones too (default best)",
    )
    share = commands.number(0, 1)
    group.add_argument(
        "--min-confidence",
        type=share,
        default=0.0,
        metavar="X",
        help="leave out faces that the detector is less sure of, 0 to 1 (below 0.8 it finds none)",
    )
    group.add_argument(
        "--min-size",
        type=commands.integer(1),
        default=0,
        metavar="N",
        help="leave out faces of fewer pixels, and look for faces so small; without it the search ends at a twelfth of "
        "the photo's shorter side or at 20 pixels",
    )
    group.add_argument(
        "--frontal",
        type=share,
        default=0.0,
        metavar="X",
        help="leave out faces that look aside: the nose's distances from both eyes differ by more than this ratio; "
        "0.5 drops profiles, 0.8 keeps only faces turned to the camera",
    )
    group.add_argument(
        "--margin",
        type=commands.number(0, 4),
        default=0.0,
        metavar="X",
        help="take so much more around the face, as a share of its box on each side",
    )
    group.add_argument("--align", action="store_true", help="turn each face so that its eyes are level")
    group.add_argument(
        "--fast", action="store_true", help="find big faces on a reduced photo: faster, boxes a little less exact"
    )
    group.add_argument("--drop-duplicates", action="store_true", help="leave out photos whose pixels came before")


def add_sources(parser):
    group = parser.add_argument_group("where photos come from")
    group.add_argument(
        "--attributes",
        metavar="FILE",
        help="carry a table's columns into the csv: CelebA's list_attr_celeba .txt, .csv",
    )
    group.add_argument(
        "--shard", type=commands.argument(parse_shard), metavar="K/N", help="prepare only the Kth of N equal parts"
    )
    group.add_argument("--merge", nargs="+", metavar="PART", help="join parts made with --shard instead")
    group.add_argument(
        "--download", choices=["celeba"], help="fetch CelebA (1.4 GB, non-commercial research only) instead of PHOTOS"
    )


def parse_size(text):
    """Parse "80" or "96x80" into (height, width), from 8 to 1024 pixels."""
    sides = text.lower().split("x")
    if len(sides) > 2 or not all(side.isascii() and side.isdigit() and 8 <= int(side) <= 1024 for side in sides):
        raise ValueError(f"{text!r} is no size; write 80, or 96x80 for height x width, from 8 to 1024 pixels")
    return int(sides[0]), int(sides[-1])


def parse_shard(text):
    """Parse "3/16" into (3, 16)."""
    numbers = text.split("/")
    if len(numbers) != 2 or not all(number.isascii() and number.isdigit() for number in numbers):
        raise ValueError(f"{text!r} is no part; write 3/16 for the third of sixteen")
    number, parts = map(int, numbers)
    if not 1 <= number <= parts:
        raise ValueError(f"{text!r}: the parts are 1/{parts} to {parts}/{parts}")
    return number, parts


def checked_output(options):
    """Check that all files can be written before any work; None when an interrupted command had just finished."""
    out = files.writable_path(options.out, "--out", (".npz",))
    if partial.sweep(out):
        print(f"{out}: was finished already")
        return None
    overwrite = options.overwrite or partial.finishing(out)
    for beside in (out, out.with_suffix(".csv"), out.with_suffix(".png")):
        files.writable_path(beside, "--out", overwrite=overwrite)
    return out


def opened(option, function, path):
    """Call a reader of a file; its ValueError is the user's mistake. None where no file was named."""
    try:
        return None if path is None else function(path)
    except ValueError as error:
        raise commands.UserError(f"{option} {error}") from None


def chosen_settings(options):
    values = {field.name: getattr(options, field.name, None) for field in dataclasses.fields(preparation.Settings)}
    values["height"], values["width"] = options.size
    if options.crop == "centre":
        given = [name for name in ("keep", "min_size", "min_confidence", "frontal", "margin", "align", "fast")
                 if values[name] not in ("best", 0, False)]  # fmt: skip
        if given:
            raise commands.UserError(f"--{given[0].replace('_', '-')}: needs faces; leave it out, or --crop centre")
    return preparation.Settings(**values)


def chosen_names(names, options):
    names = names[: options.limit]
    number, parts = options.shard or (1, 1)
    part = names[len(names) * (number - 1) // parts : len(names) * number // parts]
    if not part:
        raise commands.UserError(f"--shard {number}/{parts}: there are only {len(names)} photos; make fewer parts")
    return part


def full_plan(source, names, settings, book, options):
    """All that decides about the result, as plain JSON: an unfinished run goes on only by the same plan."""
    listing = hashlib.blake2b("\n".join(names).encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()
    return {
        **dataclasses.asdict(settings),
        "PHOTOS": str(source.path.resolve()),
        "list of photos": listing,
        "attributes": book.columns,
        "shard": list(options.shard or ()),
    }


def prepare(work, names, source, settings, book):
    """Prepare all photos that `work` has not done yet."""
    left = names[work.photos :]
    if not left:
        return
    pipeline.return_large_memory()
    if settings.crop == "face":
        from facegan import detector

        detector.work_in_threads()
    preparer = preparation.Preparer(settings)
    seen = merging.Seen(ledger.read(work.csv_path)) if settings.drop_duplicates else None
    batches = pipeline.batches(left, lambda name: preparer.read(name, lambda: source.read(name)))
    try:
        with contextlib.closing(batches), Progress(len(names), work.photos) as bar:
            for batch in batches:
                preparer.finish(batch)
                if seen:
                    seen.mark(batch)
                add(work, batch, book)
                bar.update(work.photos, work.rows)
    except (KeyboardInterrupt, commands.Terminated) as stop:
        raise type(stop)(GO_ON) from None


def add(work, batch, book):
    rows, text = [], ""
    for photo in batch:
        text += book.lines(photo, work.rows + len(rows))
        rows += [entry.pixels for entry in photo.entries if entry.pixels is not None]
    work.add(len(batch), rows, text, [entry.status for photo in batch for entry in photo.entries])


def save_preview(data_path, path):
    """Draw 25 rows, evenly spread over a data set, as a PNG."""
    _, pixels = npz.open_array(data_path)
    chosen = np.unique(np.linspace(0, len(pixels) - 1, PREVIEW).astype(int)) if len(pixels) else []
    shown = pixels[chosen] if len(pixels) else np.full((1, *pixels.shape[1:]), 255, np.uint8)
    images.grid(shown, columns=5).save(path, format="PNG", compress_level=1)


def report(out, rows, counts):
    width = max(map(len, preparation.STATUSES))
    for status in preparation.STATUSES:
        if counts[status]:
            print(f"{status:{width}} {counts[status]:9,}")
    print(f"{rows:,} rows in {out}, what became of each photo in {out.with_suffix('.csv')}")
    if not rows:
        print(f"{out}: nothing was kept; the csv says why; try again with --overwrite", file=sys.stderr)


def report_speed(tried, seconds, photos_in_all, book):
    before = f", {photos_in_all - tried:,} before" if tried < photos_in_all else ""
    print(f"{tried:,} photos tried{before}, {seconds:.1f} s, {tried / max(seconds, 1e-9):,.0f} photos/s")
    if book.attributes and book.attributes.missing:
        print(f"{book.attributes.missing:,} lines without attributes: their names are not in that table")


if __name__ == "__main__":
    commands.run(main)
