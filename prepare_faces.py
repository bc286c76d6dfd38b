"""Cut the faces out of photographs and pack them into one file for train_gan.py.

    python prepare_faces.py photos.zip --out data/faces80.npz --size 80
    python prepare_faces.py --download celeba --limit 50000 --out data/celeba.npz

Writes the images to --out, and beside it a .csv that says what became of each
photo and a .png of 25 images. The same command again resumes interrupted work.
More about faces, shards and the csv: docs/preparing.md.
Copy with it: facegan/common and facegan/preparing.
"""

import contextlib
import dataclasses
import hashlib
import sys
import time
from pathlib import Path

from facegan.common import cli, datasets, files, hardware, images
from facegan.preparing import celeba, crops, csv_table, detector, photos, pipeline, preparer, resumable, shards
from facegan.preparing.settings import CROPS, KEEP, Settings, settings_of, write_settings

import numpy as np

PREVIEW = 25
MOSTLY_INSIDE, REFLECTIONS_JUDGED = 0.9, 1000
FACE_OPTIONS = (
    *("keep", "min_confidence", "min_size", "frontal", "min_detail", "min_inside", "margin", "align", "fast"),
)


def main():
    options = parse_arguments()
    if was_finished(options.out):
        print(f"{options.out}: already finished")
        return None
    check_outputs(options)
    if options.device == "cpu":
        hardware.hide_gpus()
    rows = merge(options) if options.merge else prepare(options)
    if not rows:
        print(
            f"{options.out}: no images were kept (the .csv says why); change the options and try again",
            file=sys.stderr,
        )
    # A shard may be empty, a whole data set may not.
    return None if rows or options.shard else cli.EXIT_USER_ERROR


def parse_arguments(arguments=None):
    parser = cli.parser(__doc__)
    parser.usage = "prepare_faces.py PHOTOS --out NPZ [option ...]"
    add = parser.add_argument_group("photographs").add_argument
    add("photos", nargs="?", metavar="PHOTOS", help="a folder, a .zip, or a text file that lists paths")
    add("--download", choices=["celeba"], help="instead: 1.4 GB, for non-commercial research only")
    add("--photos", dest="most_photos", type=cli.integer(1), metavar="N", help="take only the first N photos by name")
    add("--attributes", metavar="FILE", help="a table for the csv, such as list_attr_celeba")
    add("--drop-duplicates", action="store_true", help="leave out exact copies")
    add = parser.add_argument_group("images").add_argument
    add("--out", required=True, type=Path, metavar="NPZ", help="the file to write")
    add("--limit", type=cli.integer(1), metavar="N", help="end with N images, if there are as many")
    add("--overwrite", action="store_true", help="replace it; discard unfinished work that does not fit")
    add("--size", type=cli.argument(parse_size), default="80", metavar="N", help="side in pixels, or HEIGHTxWIDTH")
    add("--grey", action="store_true", help="one channel instead of three")
    add("--crop", choices=CROPS, default="face", help="centre: the middle of any picture")
    add = parser.add_argument_group("which faces, and how they are cut").add_argument
    add("--keep", choices=KEEP, default="best", help="best: the most confident")
    share = cli.number(0, 1)
    add("--min-confidence", type=share, default=0.0, metavar="X", help="the detector's confidence, 0 to 1")
    add("--min-size", type=cli.integer(1), default=0, metavar="N", help="shorter side, in pixels of the photo")
    add("--frontal", type=share, default=0.0, metavar="X", help="0.5: no profiles; 0.8: only frontal")
    add("--min-detail", type=cli.number(0, 100), default=0.0, metavar="X", help="1: no faces that would be enlarged")
    add("--min-inside", type=share, default=0.0, metavar="X", help="for --align: share inside the photo")
    add("--margin", type=cli.number(0, 4), default=0.0, metavar="X", help="extra border, as a share of the box")
    add("--align", action="store_true", help="same places for eyes, nose, mouth; see --min-inside")
    add("--fast", action="store_true", help="search a reduced photo: faster, less exact")
    hardware.add_argument(parser)
    add = parser.add_argument_group("shards, for several machines").add_argument
    add("--shard", type=cli.argument(parse_shard), metavar="K/N", help="prepare only the Kth of N equal parts")
    add("--merge", nargs="+", metavar="SHARD", help="instead of PHOTOS: the .npz files of all shards")
    options = parser.parse_args(arguments)
    if sum(map(bool, (options.photos, options.download, options.merge))) != 1:
        parser.error("name either PHOTOS, or --download celeba, or --merge with all shards")
    return options


def parse_size(text):
    """Parse "80" or "96x80" into (height, width), from 8 to 1024 pixels."""
    sides = text.lower().split("x")
    if len(sides) > 2 or not all(side.isascii() and side.isdigit() and 8 <= int(side) <= 1024 for side in sides):
        raise ValueError(f"{text!r} is not a size; write 80, or 96x80 for height x width, from 8 to 1024 pixels")
    return int(sides[0]), int(sides[-1])


def parse_shard(text):
    """Parse "3/16" into (3, 16)."""
    numbers = text.split("/")
    if len(numbers) != 2 or not all(number.isascii() and number.isdigit() for number in numbers):
        raise ValueError(f"{text!r} is not a shard; write 3/16 for the third of sixteen")
    number, count = map(int, numbers)
    if not 1 <= number <= count:
        raise ValueError(f"{text!r}: shards are 1/{count} to {count}/{count}")
    return number, count


def was_finished(out):
    """Whether an interrupted command had put all files in place; removes what it had left to remove."""
    with cli.naming("--out"):
        files.writable_path(out, (".npz",))
    return resumable.remove_finished(out)


def check_outputs(options):
    """Check before any work that all files can be written."""
    inputs = {"PHOTOS": options.photos, "--attributes": options.attributes}
    inputs |= {f"--merge {path}": path for path in options.merge or []}
    for suffix in (".npz", ".csv"):
        cli.require_distinct({**inputs, "--out": options.out.with_suffix(suffix)})
    overwrite = options.overwrite or resumable.is_finishing(options.out) or holds_nothing(options)
    with cli.naming("--out"):
        for suffix in (".npz", ".csv", ".png"):
            files.writable_path(options.out.with_suffix(suffix), overwrite=overwrite)


def holds_nothing(options):
    """Whether the file to write is there but without an image, as an earlier try leaves it; a shard may be so."""
    with contextlib.suppress(ValueError):
        return not options.shard and len(datasets.open_array(options.out)[1]) == 0
    return False


def merge(options):
    """Merge shards; returns the number of rows."""
    with cli.naming("--merge"):
        opened = shards.open_shards(options.merge)
    rows, counts = shards.merge(opened, options.out, save_preview)
    report(options.out, rows, counts, opened[0].settings.limit)
    return rows


def prepare(options):
    """Prepare all photos, or those that an interrupted command left; returns the number of rows."""
    settings = chosen_settings(options)
    if settings.crop == "face":
        with cli.naming("--crop face:"):
            detector.check_packages()
    with cli.naming("--attributes"):
        attributes = celeba.Attributes(options.attributes) if options.attributes else None
        manifest = csv_table.Manifest(settings.drop_duplicates, attributes)
    source = open_photos(options)
    names = chosen_names(source.names, options)
    plan = full_plan(settings, source, names, attributes=manifest.columns, shard=options.shard)
    start = time.monotonic()
    with contextlib.ExitStack() as stack:
        with cli.naming("--out"):
            work = resumable.ResumablePreparation(
                options.out, plan, row_shape=settings.row_shape, header=manifest.header(), start_again=options.overwrite
            )
        stack.enter_context(work)
        before = work.photos
        prepare_photos(work, names, source, settings=settings, manifest=manifest, device=options.device)
        work.finish(write_settings(settings, options.shard), save_preview)
    report(options.out, work.rows, work.counts, 0 if options.shard else settings.limit)
    if settings.align and not settings.min_inside:
        report_reflections(options.out, settings)
    report_speed(work.photos - before, before, time.monotonic() - start)
    if attributes and attributes.missing:
        print(f"{attributes.missing:,} photos are missing from the attribute table")
    return work.rows


def chosen_settings(options):
    height, width = options.size
    settings = settings_of({**vars(options), "height": height, "width": width, "limit": options.limit or 0})
    if settings.crop == "centre":
        for name in FACE_OPTIONS:
            if getattr(settings, name) != getattr(Settings, name):
                raise cli.UserError(f"--{name.replace('_', '-')}: needs faces; leave it out, or --crop centre")
    if settings.min_inside and not settings.align:
        raise cli.UserError("--min-inside: needs --align; boxes never reach beyond the photo")
    return settings


def open_photos(options):
    """Open the photographs, downloaded first if that was asked for."""
    if not options.download:
        with cli.naming("PHOTOS"):
            return photos.open_source(options.photos)
    with cli.naming("--download celeba:"):
        folder = celeba.fetch_celeba(options.out.parent / "celeba")
        for table in celeba.attribute_tables(folder):
            print(f"to add its attributes: --attributes {table}", file=sys.stderr)
        return photos.open_source(folder)


def chosen_names(names, options):
    names = names[: options.most_photos]
    number, count = options.shard or (1, 1)
    shard = names[len(names) * (number - 1) // count : len(names) * number // count]
    if not shard:
        raise cli.UserError(f"--shard {number}/{count}: there are only {len(names)} photos; make fewer shards")
    return shard


def full_plan(settings, source, names, *, attributes, shard):
    """All that determines the result, as plain JSON: an unfinished run is resumed only by the same plan."""
    listing = hashlib.blake2b("\n".join(names).encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()
    return {
        **dataclasses.asdict(settings),
        "PHOTOS": str(source.path.resolve()),
        "list of photos": listing,
        "attributes": attributes,
        "shard": list(shard or ()),
    }


def prepare_photos(work, names, source, *, settings, manifest, device):
    """Prepare the photos that `work`, a `ResumablePreparation`, has not done yet, up to the limit of the settings."""
    left = names[work.photos :]
    if not left or is_full(work, settings):
        return
    pipeline.return_large_memory()
    faces = preparer.Preparer(settings)
    if settings.crop == "face":
        with cli.naming("--device"):
            hardware.announce(device, hardware.find_device(), "float32")
    batches = pipeline.batches(left, lambda name: faces.read(name, lambda: source.read(name)))
    duplicates = csv_table.DuplicateFinder(csv_table.read(work.csv_path)) if settings.drop_duplicates else None
    try:
        progress = pipeline.Progress(len(names), work.photos, most_kept=settings.limit)
        with contextlib.closing(batches), progress:
            for batch in batches:
                faces.finish(batch)
                if duplicates:
                    duplicates.mark(batch)
                if settings.limit:
                    batch = preparer.first_kept(batch, settings.limit - work.rows)
                add(work, batch, manifest)
                progress.update(work.photos, work.rows)
                if is_full(work, settings):
                    break
    except (KeyboardInterrupt, cli.Terminated) as stop:
        raise type(stop)("run the same command to resume") from None


def is_full(work, settings):
    return 0 < settings.limit <= work.rows


def add(work, batch, manifest):
    entries = [entry for photo in batch for entry in photo.entries]
    rows = [entry.pixels for entry in entries if entry.pixels is not None]
    work.add(len(batch), rows, manifest.lines(batch, work.rows), [entry.status for entry in entries])


def save_preview(data_path, path):
    """Draw 25 rows, evenly spaced over a data set, as a PNG."""
    _, pixels = datasets.open_array(data_path)
    chosen = np.unique(np.linspace(0, len(pixels) - 1, PREVIEW).astype(int)) if len(pixels) else []
    shown = pixels[chosen] if len(pixels) else np.full((1, *pixels.shape[1:]), 255, np.uint8)
    images.grid(shown, columns=5).save(path, format="PNG", compress_level=1)


def report(out, rows, counts, limit):
    width = max(map(len, preparer.STATUSES))
    for status in preparer.STATUSES:
        if counts[status]:
            print(f"{status:{width}} {counts[status]:9,}")
    few = f", fewer than --limit {limit:,}: there are no more" if rows < limit else ""
    print(f"{rows:,} rows in {out}{few}; what became of each photo is in {out.with_suffix('.csv')}")


def report_reflections(out, settings):
    """Say how many of the aligned images, judged by some, show much of their photo's reflection."""
    rows = [line for line in csv_table.read(out.with_suffix(".csv")) if line["row"]]
    some = rows[:: 1 + len(rows) // REFLECTIONS_JUDGED]
    shape = settings.height, settings.width
    beyond = sum(
        crops.share_inside(*csv_table.landmarks_and_size(line), shape, settings.margin) < MOSTLY_INSIDE for line in some
    )
    if beyond:
        share = f"{beyond / len(some):.0%} of the images reach more than a tenth beyond their photo"
        print(f"{share}, and show its reflection there; --min-inside {MOSTLY_INSIDE} leaves them out")


def report_speed(photos_now, photos_before, seconds):
    before = f", {photos_before:,} before" if photos_before else ""
    print(f"{photos_now:,} photos tried{before}, {seconds:.1f} s, {photos_now / max(seconds, 1e-9):,.0f} photos/s")


if __name__ == "__main__":
    cli.run(main)
