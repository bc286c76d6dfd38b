"""Measure how close generated images are to real ones, and rank generators.

    python evaluate.py runs/faces80 --out report
    python evaluate.py runs/a runs/b old.h5 --data data/faces80.npz
    python evaluate.py runs/faces80/discriminator_model_010.h5 --count 10000
    python evaluate.py runs/faces80 --losses losses.png

Prints a table, best first. A run folder alone stands for all of its generators,
beside other MODELs for its best one. With --out: quality.csv, neighbours.png
(faces beside the training images most like them) and, for a run folder alone,
quality.png. Beside the data: NAME.features.npz, which speeds up the next run.
What the figures mean and what they do not see: docs/quality.md.

Copy with it: facegan/common and metrics; for --losses training.
"""

import dataclasses
import json
import time
from pathlib import Path

from facegan.common import cli, datasets, files, generators, images, latents, model_files
from facegan.common.cli import UserError
from facegan.metrics import plain_features, quality, report

import numpy as np

PART = 1_024  # images that a discriminator is shown at a time


def main():
    options = parse_arguments()
    if options.losses:
        draw_losses(options)
    elif model_files.is_discriminator(options.models[0]):
        measure_discriminator(options)
    else:
        measure_generators(options)


def parse_arguments():
    parser = cli.parser(__doc__)
    add = parser.add_argument_group("input").add_argument
    add("models", nargs="+", metavar="MODEL", help="a run folder or generator file; or a discriminator [generator]")
    add("--data", nargs="+", help="real images: .npz files, mnist or cifar10 (default: the run's training data)")

    add = parser.add_argument_group("measurement").add_argument
    add(
        "--count",
        type=cli.integer(2, latents.MOST_FACES),
        default=5_000,
        metavar="N",
        help="images drawn, or shown to a discriminator",
    )
    kinds = ("auto", "faces", "pixels", "classifier", "inception")
    add("--features", choices=kinds, default="auto", help="what is compared as a whole; auto: faces, or else pixels")

    add = parser.add_argument_group("output").add_argument
    add("--out", metavar="FOLDER", help="write a report there (default: only print it)")
    add("--losses", metavar="PNG", help="only draw the losses of a run folder, from its steps.csv")
    return parser.parse_args()


def draw_losses(options):
    """Draw losses.png anew, also during a run."""
    cli.require_rooms(("training",), "--losses")
    from facegan.training import logs

    tables = [Path(model, "steps.csv") for model in options.models]
    if len(tables) > 1 or not tables[0].is_file():
        raise UserError(f"MODEL {' '.join(options.models)}: --losses needs one run folder with a steps.csv")
    with cli.naming("--losses"):
        path = files.writable_path(options.losses, (".png",))
    logs.draw_losses(tables[0], path)
    print(f"written: {path}")


def measure_discriminator(options):
    """Print the shares of real and of generated images that a discriminator classifies correctly, in inference mode."""
    path, model, generator, data = load_discriminator(options)
    notes = generators.read_notes(path)
    grey = data.pixels.shape[-1] == 1
    pixel_range = generator.pixel_range if generator else notes.get("pixel_range", "sigmoid" if grey else "tanh")
    paired = notes.get("loss", config_beside(path).get("loss")) == "relativistic"
    if paired and not generator:
        raise UserError(f"MODEL {path}: was trained on pairs of images, so name a generator beside it")

    def answers(rows, images_of):
        parts = np.array_split(rows, -(-len(rows) // PART))
        return np.concatenate([generators.predict(model, images_of(part)) for part in parts])

    def real_images(rows):
        return images.to_images(data.pixels[rows], pixel_range)

    def generated_images(faces):
        return images.to_images(generator.in_keras().draw(generator.latents_of(faces)), pixel_range)

    generated = answers(range(1, options.count + 1), generated_images) if generator else None
    # A probability is above 0.5 where a score is above 0.
    boundary = 0.5 if model_files.load_network(path, "discriminator").last_activation == "sigmoid" else 0.0
    trained = np.setdiff1d(np.arange(len(data.pixels)), data.held_out_rows)
    shares = []
    for rows, name in ((trained, "training images"), (data.held_out_rows, "images held out")):
        if len(rows):
            chosen = np.sort(np.random.RandomState(0).permutation(rows)[: options.count])
            right = answers(chosen, real_images) > (generated[: len(chosen)] if paired else boundary)
            shares.append(f"{right.mean():.0%} of {len(chosen):,} {name}")
    print(f">Accuracy {'of pairs' if paired else 'real'}: {', '.join(shares)}", end="")
    if generator:
        fake = "" if paired else f", fake: {(generated <= boundary).mean():.0%} of {options.count:,}"
        print(f"{fake}, drawn by {generator.path.name}", end="")
    print()


def load_discriminator(options):
    """Load what MODEL names: (path, model, the generator to test it with or None, `Data`)."""
    path, *others = map(Path, options.models)
    beside = path.with_name(path.name.replace("discriminator", "generator"))
    others = others or [beside] * (beside != path and beside.is_file())
    if len(others) > 1:
        raise UserError(f"MODEL {others[1]}: beside a discriminator, name one generator at most")
    config = config_beside(path)
    data = load_data(options.data or config.get("data"), [config])
    with cli.naming("MODEL"):
        model = model_files.load_model_file(path, "discriminator")
        generator = generators.load_generator(others[0]) if others else None
    if data.pixels.shape[1:] != model.input_shape[1:]:
        names = " ".join(data.source)
        raise UserError(f"--data {names}: its images are not of the size that {path} takes; name other data")
    if generator and (generator.height, generator.width, generator.channels) != model.input_shape[1:]:
        raise UserError(f"MODEL {others[0]}: its images are not of the size that {path} takes; name another generator")
    return path, model, generator, data


def measure_generators(options):
    """Measure and rank generators, and write the report."""
    paths = models_to_measure(options.models)
    configs = [config_beside(path) for path in paths]
    with cli.naming("--out"):
        out = options.out and files.writable_folder(options.out)
    data = load_data(options.data or configs[0].get("data"), configs)

    metric = make_metric(options, data)
    print(metric.describe(), flush=True)
    rows, best_drawn = measure(paths, metric, data, may_skip=len(options.models) == 1)
    ranked = sorted(rows, key=report.rank)
    print(report.table(ranked, metric))
    neighbours = report.Neighbours(best_drawn, metric, data.held_out_rows)
    print(neighbours.describe())
    if out:
        report.write_csv(ranked, metric, out / "quality.csv")
        neighbours.save_picture(out / "neighbours.png")
        curve = [row for row in rows if kind(row) == kind(ranked[0])]
        if len(options.models) == 1 and len(curve) > 1:
            report.draw_curves(curve, metric, out / "quality.png")
        print(f"written: {out}")


def kind(row):
    """What the files of one curve have in common: generator_model_ or generator_average_."""
    return row.path.stem.rstrip("0123456789")


def models_to_measure(models):
    """The generator files that the MODELs stand for, oldest first for a run folder alone."""
    with cli.naming("MODEL"):
        saved = generators.checkpoints(models[0]) if len(models) == 1 and Path(models[0]).is_dir() else []
        return saved or [generators.find_generator(model) for model in models]


def config_beside(path):
    """The config.json beside a generator, or {} if it is not in a run folder."""
    config = path.parent / "config.json"
    if not config.is_file():
        return {}
    try:
        record = {"data": None, "held_out_rows": [], **json.loads(config.read_text(encoding="utf-8"))}
        for source in datasets.paths_of(record["data"] or []):
            Path(source)  # a TypeError, unless it is a text
        return record | {"held_out_rows": np.array(record["held_out_rows"], np.int64)}
    except (ValueError, TypeError) as error:
        raise UserError(f"MODEL {path}: the config.json beside it is damaged ({error})") from None


@dataclasses.dataclass(frozen=True)
class Data:
    """The real images: `pixels` uint8 (n, height, width, channels), and the rows that were kept out of training.

    `source` is a list of paths, or of one name.
    """

    source: list
    fingerprint: str
    pixels: np.ndarray
    held_out_rows: np.ndarray


def load_data(source, configs):
    if source is None:
        raise UserError("--data: name the .npz of real images; there is no config.json beside the model that names it")
    with cli.naming("--data"):
        if datasets.is_named(source):
            cli.import_keras()
        pixels, fingerprint = datasets.load_images(source)
        cli.import_keras()  # quietly, before the features need it
    if len(pixels) < quality.FEWEST_IMAGES:
        raise UserError(f"--data: holds {len(pixels)} images, too few to compare with; use a larger data set")
    return Data(datasets.paths_of(source), fingerprint, pixels, held_out_rows(configs, pixels, fingerprint))


def held_out_rows(configs, pixels, fingerprint):
    """Rows that none of the runs trained on; empty unless all of them trained on this data set."""
    known = [config["held_out_rows"] for config in configs if config.get("fingerprint") == fingerprint]
    if not known or len(known) < len(configs):
        return np.empty(0, np.int64)
    held_out = np.arange(len(pixels))
    for rows in known:
        held_out = np.intersect1d(held_out, rows)
    return held_out


def make_metric(options, data):
    """Choose the features, compute those of the real images, and warn of what weakens the figures."""
    faces = quality.are_faces(data.pixels)
    features = choose_features(options.features, data, faces)
    if not faces:
        remark = "their face features say little" if features is quality.FACES else f"compared by {features.name}"
        print(f"note: the images of {' '.join(data.source)} are not faces; {remark}")
    path = cache_path(data.source[0]) if features is quality.FACES else None
    cache = quality.FeatureCache(data.pixels, features, path, data.fingerprint)
    metric = quality.QualityMetric(data.pixels, data.held_out_rows, options.count, cache)
    fewest = min(options.count, len(metric.real_rows))
    if fewest < quality.RELIABLE_COUNT:
        print(f"note: {fewest} images are few for these figures; trust only differences beyond the kernel's range")
    return metric


def choose_features(kind, data, faces):
    """The `quality.Features` that --features names."""
    if kind == "classifier":
        with cli.naming("--features classifier:"):
            labels = read_labels(data.source[0], len(data.pixels))
        compute, accuracy = plain_features.train_classifier(data.pixels, labels)
        print(f"classifier: classifies {accuracy:.0%} of the images kept out of its training correctly")
        return quality.Features("features learned from their labels", compute)
    if kind == "inception":
        with cli.naming("--features inception:"):
            return quality.Features("Inception v3 (keras.applications)", plain_features.inception_features())
    return quality.FACES if kind == "faces" or (kind == "auto" and faces) else quality.PIXELS


def read_labels(source, count):
    """The labels (count,) of a data set's images, for the classifier.

    Raises:
        ValueError: there are none.
    """
    if source in datasets.NAMED:
        import keras

        return getattr(keras.datasets, source).load_data()[0][1].ravel()
    try:
        with np.load(source) as archive:
            labels = archive["y_train"].ravel() if "y_train" in archive.files else None
    except datasets.DAMAGE:
        raise ValueError(f"{source}: its y_train is damaged; prepare it again, or use --features pixels") from None
    if labels is None or len(labels) != count or labels.dtype.kind not in "iu":
        raise ValueError(f"{source}: holds no y_train, an integer for each image; use --features pixels")
    return labels


def cache_path(source):
    """Where the features of a data set are kept, given its first file; None if nothing can be written there."""
    if Path(source).suffix != ".npz":
        return None
    path = Path(source).with_suffix(".features.npz")
    try:
        return files.writable_path(path)
    except ValueError:
        print(f"note: {path} cannot be written; the features of real images are computed again each time")
        return None


def measure(paths, metric, data, may_skip):
    """Draw with each generator and measure it; with `may_skip` a damaged file is left out unless there is no other.

    Returns:
        (rows, drawn): a `report.Row` for each file, and the pixels that the best one drew.
    """
    import rich.console
    import rich.progress

    console = rich.console.Console(stderr=True, highlight=False)
    rows, best_drawn = [], None
    for path in rich.progress.track(paths, "measuring", console=console, disable=not console.is_terminal):
        started = time.monotonic()
        try:
            generator = load_generator(path, data)
            drawn = generator.in_keras().draw(generator.latents_of(range(1, metric.count + 1)))
        except UserError as error:
            if not may_skip or (path is paths[-1] and not rows):
                raise
            console.print(f"left out: {error}", soft_wrap=True, markup=False)
            continue
        rows.append(report.Row(path, generator.fingerprint, metric.figures(drawn)))
        if rows[-1] is min(rows, key=report.rank):
            best_drawn = drawn
        seconds = time.monotonic() - started
        text = f"{path}: {rows[-1].figures.describe()}, {seconds:.0f} s"
        console.print(text, soft_wrap=True, markup=False)
    return rows, best_drawn


def load_generator(path, data):
    """Load a generator whose images can be compared with the data; print a note if their sizes differ."""
    with cli.naming("MODEL"):
        generator = generators.load_generator(path)
    shape = (generator.height, generator.width, generator.channels)
    if shape[-1] != data.pixels.shape[-1]:
        kinds = {1: "grey", 3: "colour"}
        raise UserError(
            f"--data {' '.join(data.source)}: holds {kinds[data.pixels.shape[-1]]} images, but {path} draws "
            f"{kinds[shape[-1]]} ones; name data like those that it was trained on"
        )
    if shape != data.pixels.shape[1:]:
        drawn, real = ("x".join(map(str, size[:2])) for size in (shape, data.pixels.shape[1:]))
        print(f"note: {path} draws {drawn}, the data are {real}: the figures include their difference in sharpness")
    return generator


if __name__ == "__main__":
    cli.run(main)
