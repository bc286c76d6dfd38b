"""Measure how close generated faces are to real ones, and which of several generators is the best.

    python evaluate.py runs/faces80 --data data/faces80.npz --out report

A run folder alone stands for all the generators that it saved, and its quality is drawn over its epochs. Among several
MODELs a run folder stands for its best generator. Faces 1 to 5,000 of each generator are compared with real faces drawn
at random, held-out ones where the run kept a thousand or more out of training. Every figure depends on these numbers:
compare only figures of equal ones. They compare what the face detector's last network sees:

  Fréchet   the distance between the two sets; 0 would be equal, the line "real images" shows what real ones get
  kernel    another one (KID) x 1000, unbiased, with the range into which 95 of 100 repeated draws fall
  face      the share of images in which the detector sees a face
  spacing   how far faces lie from the next one like them, real ones being 1: repeated faces are 0
  coverage  the share of real faces that have a generated one among their nearest

Texture finer than 48 pixels is not seen. Images that are no faces (digits, roses) are compared by their pixels, shrunk
to 16x16 or, in colour, 9x9; or with --features classifier by a small network trained on labels, y_train, in the data.

Writes, with --out, into that folder: quality.csv, quality.png (for a run folder), and neighbours.png, the faces of the
best generator that are closest to training images, beside these. Beside the data: NAME.features.npz, the features of
its real faces, so that the next measurement is quicker.

Needs: facegan/ commands, data, distances, face_features, feature_cache, files, images, latents, model_files,
neighbours, npz, old_files, plain_features, quality, report, runs.
"""

import json
import time
from pathlib import Path

from facegan import commands, files
from facegan.commands import UserError


def main():
    options = read_options()
    paths = models_to_measure(options.models)
    configs = [run_config(path) for path in paths]
    source = options.data or configs[0].get("data")
    if source is None:
        raise UserError("--data: name the .npz of real images; the model lies in no run folder that tells it")
    out = options.out and files.writable_folder(options.out)

    commands.import_keras()
    import rich.console
    import rich.progress

    from facegan import data, neighbours, report, runs

    console = rich.console.Console(stderr=True, highlight=False)
    pixels, fingerprint = data.load_images(source)
    held_out = held_out_rows(configs, pixels, fingerprint)
    judge, known = prepare(options, source, pixels, fingerprint, held_out)
    print(judge.describe(), flush=True)

    rows, best_drawn = [], None
    for path in rich.progress.track(paths, "measuring", console=console, disable=not console.is_terminal):
        started = time.monotonic()
        try:
            generator = fitting(runs.load_generator(path), pixels, source)
        except UserError as error:
            if len(options.models) > 1 or (path is paths[-1] and not rows):
                raise
            console.print(f"left out: {error}", soft_wrap=True, markup=False)
            continue
        drawn = draw(generator, judge.count)
        rows.append(report.Row(path, generator.fingerprint, judge.figures(drawn)))
        if rows[-1] is min(rows, key=report.rank):
            best_drawn = drawn
        distance = rows[-1].figures["frechet_distance"]
        console.print(f"{path}: Fréchet {distance:.4f}, {time.monotonic() - started:.0f} s", soft_wrap=True)
    ranked = sorted(rows, key=report.rank)
    print(report.table(ranked, judge))

    among = neighbours.Neighbours(best_drawn, judge, known, pixels, held_out)
    print(among.describe())
    if out:
        report.write_csv(ranked, judge, out / "quality.csv")
        among.save_picture(out / "neighbours.png")
        if Path(options.models[0]).is_dir() and len(rows) > 1:
            report.draw_curves(rows, judge, out / "quality.png")
        print(f"written: {out}")


def read_options():
    parser = commands.parser(__doc__)
    parser.add_argument("models", nargs="+", metavar="MODEL", help="a run folder or a generator file")
    parser.add_argument("--data", help="a .npz, mnist or cifar10 (default: what the run was trained on)")
    parser.add_argument(
        "--count", type=commands.integer(2), default=5_000, help="generated images of each model (default: 5000)"
    )
    parser.add_argument("--out", metavar="FOLDER", help="where the report goes (default: only printed)")
    parser.add_argument(
        "--features",
        choices=("auto", "faces", "pixels", "classifier"),
        default="auto",
        help="what is compared (default: faces where the data are faces, else pixels)",
    )
    return parser.parse_args()


def models_to_measure(models):
    """The generator files that the MODELs stand for, oldest first for a run folder alone."""
    from facegan import runs

    saved = runs.checkpoints(models[0]) if len(models) == 1 and Path(models[0]).is_dir() else []
    return saved or [runs.find_generator(model) for model in models]


def run_config(path):
    """The config.json beside a generator, or {} where it lies in no run folder."""
    config = path.parent / "config.json"
    return json.loads(config.read_text(encoding="utf-8")) if config.is_file() else {}


def held_out_rows(configs, pixels, fingerprint):
    """Rows that none of the runs trained on, as far as they trained on this data set."""
    import numpy

    known = [config["held_out_rows"] for config in configs if config.get("fingerprint") == fingerprint]
    if not known or len(known) < len(configs):
        return numpy.empty(0, numpy.int64)
    held_out = numpy.arange(len(pixels))
    for rows in known:
        held_out = numpy.intersect1d(held_out, numpy.asarray(rows, numpy.int64))
    return held_out


def prepare(options, source, pixels, fingerprint, held_out):
    """Choose the features, look at the real images, and warn of what weakens the figures.

    Returns:
        (a `quality.Judge`, the `feature_cache.FeatureCache` with its real images).
    """
    from facegan import feature_cache, plain_features, quality

    if len(pixels) < 4:
        raise UserError(f"--data {source}: {len(pixels)} images are too few to compare with; use a larger data set")
    faces = quality.are_faces(pixels)
    features = {True: "faces", False: "pixels"}[faces] if options.features == "auto" else options.features
    look = {"faces": quality.look_at_faces, "pixels": quality.look_at_pixels}.get(features)
    if features == "classifier":
        look, accuracy = plain_features.train_classifier(pixels, labels(source, len(pixels)))
        print(f"classifier: tells {accuracy:.0%} of images that it was not trained on rightly apart")
    if not faces:
        print(f"note: {source} holds no faces, so figures of --features faces say little; it is measured by {features}")
    beside = cache_path(source) if features == "faces" else None
    known = feature_cache.FeatureCache(beside, fingerprint, pixels, look)
    judge = quality.Judge(pixels, held_out, options.count, look, known.look_at_rows)
    fewest = min(options.count, len(judge.real_rows))
    if fewest < quality.FEWEST:
        print(f"note: {fewest} images are few for these figures; trust differences only beyond the kernel's range")
    return judge, known


def cache_path(source):
    """Where the features of a data set are kept, or None for one without a folder that can be written."""
    path = Path(source)
    if path.suffix != ".npz":
        return None
    beside = path.with_suffix(".features.npz")
    try:
        return files.writable_path(beside, "--data")
    except UserError:
        print(f"note: {beside} cannot be written; features of real images are computed anew each time")
        return None


def labels(source, count):
    """The labels of a data set's images, (count,), for the classifier."""
    import numpy

    from facegan import data

    if source in data.NAMED:
        import keras

        return getattr(keras.datasets, source).load_data()[0][1].ravel()
    with numpy.load(source) as archive:
        found = archive["y_train"].ravel() if "y_train" in archive.files else None
    if found is None or len(found) != count or found.dtype.kind not in "iu":
        raise UserError(
            f"--features classifier: {source} holds no y_train, a whole number for each image; use --features pixels"
        )
    return found


def fitting(generator, pixels, source):
    """Refuse a generator whose images cannot be compared with the data; tell of one of another size."""
    shape = (generator.height, generator.width, generator.channels)
    if shape[-1] != pixels.shape[-1]:
        kinds = {1: "grey", 3: "colour"}
        raise UserError(
            f"--data {source}: holds {kinds[pixels.shape[-1]]} images, {generator.path} draws {kinds[shape[-1]]} ones; "
            "name data like those it was trained on"
        )
    if shape != pixels.shape[1:]:
        ours, theirs = ("x".join(map(str, size[:2])) for size in (shape, pixels.shape[1:]))
        print(f"note: {generator.path} draws {ours}, the data are {theirs}: their difference in sharpness counts")
    return generator


def draw(generator, count):
    """Faces 1 to `count` of a generator as pixels."""
    from facegan import latents

    numbers = range(1, count + 1)
    return generator.draw(latents.latents_of_faces(numbers, generator.latent_dim, generator.distribution))


if __name__ == "__main__":
    commands.run(main)
