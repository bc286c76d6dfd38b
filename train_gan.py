"""Train a GAN on a data set of images; the same command resumes an interrupted run.

    python train_gan.py data/faces32.npz --preset faces32 --out runs/faces32
    python train_gan.py data/faces80.npz --preset slim80 --out runs/slim80 --hold-out 0.15

Writes generators, pictures, logs and the state for resuming into --out;
docs/training.md explains the files and the options.
Exit codes: 0 finished, 2 invalid command, 3 stopped because training failed,
130 Ctrl-C and 143 SIGTERM, both with the state saved.
Copy with it: facegan/common and training; also metrics, unless --no-quality.
"""

import argparse
import contextlib
import dataclasses
import functools
import math
import shlex

from facegan.common import cli, datasets, files, hardware, images
from facegan.training import presets

EXIT_COLLAPSED = 3
FEWEST_MEASURED = 4
# Bytes of address space that TensorFlow was seen to take on two cores, least of all; more cores take more: to build
# networks and train them, and only to train them.
TO_START, TO_TRAIN = 700 << 20, 300 << 20
# By the kinds of `collapse.Finding`.
REMEDIES = {
    "not finite": "lower --learning-rate, or use --precision float32",
    "discriminator overpowers": "try a lower --learning-rate, a larger --r1, --augment for a small data set, "
    "or with --loss bce --label-smoothing 0.1",
    "mode collapse": "try another --seed, a lower --learning-rate, --augment, or a larger --latent-dim if it is small",
    "diverged": "begin anew with a lower --learning-rate or --set update_clip=2",
}


def main():
    options = parse_arguments()
    if options.check_device:
        hardware.report(*start_backend(options))
        return 0
    preset = chosen_preset(options)
    check_options(options, preset)
    if not datasets.is_named(options.data):  # mistakes in it need not wait for Keras
        choose_rows(*load_data(options)[:1], options)
    device, precision = start_backend(options)

    from facegan.training import devices

    with devices.together():
        return run(options, preset, device, precision)


def run(options, preset, device, precision):
    """Check the data and the run folder, build the networks, and train them; returns the exit code."""
    from facegan.training import batches, checkpoints, devices, dry_run, run_config, run_writer

    pixels, fingerprint = load_data(options)
    rows, held_out = choose_rows(pixels, options)
    schedule = plan(options, preset, len(rows))
    with cli.naming("--out"):
        out = files.writable_folder(options.out)
    image_shape = pixels.shape[1:]
    config = run_config.resolve(
        options,
        preset,
        device=device,
        precision=precision,
        image_shape=image_shape,
        fingerprint=fingerprint,
        held_out=held_out,
    )
    with contextlib.ExitStack() as stack:
        with cli.naming("--out"):
            if devices.is_first() and not options.dry_run:
                stack.enter_context(files.lock(out))
                run_writer.check_outputs(out)
            differing = run_config.check_same_run(out, config)
        made = checkpoints.steps_made(out)
        devices.check_same({**run_config.shared(config), "the state in --out": made})
        if made > schedule.total and not options.dry_run:
            print(f"{out} holds {made:,} steps, more than the {schedule.total:,} asked for: nothing to do")
            return 0
        if config.lr_decay and {"epochs", "steps"} & set(differing):
            print("note: the learning rate follows the new length of the run")
        with named_network_limits(config):
            gan = build(config, preset, schedule.total)
        # A resumed run takes its weights from its state, and these files may be gone by now.
        if config.init_from and not checkpoints.has_state(out):
            load_weights(gan, config.init_from)
            if len(config.init_from) == 1:
                print("note: --init-from names no discriminator: a new one often fails beside a trained generator")
        stream = batches.Batches(
            pixels,
            rows,
            preset,
            batch_size=config.batch_size,
            latent_dim=config.latent_dim,
            mirror=config.mirror,
            seed=config.seed,
        )
        with cli.naming("--batch-size"):
            devices.check_batch_size(config.batch_size, stream.real_count // config.accumulate)
        parts = (count // config.accumulate for count in (config.batch_size, stream.real_count))
        hardware.check_address_space(TO_TRAIN + dry_run.memory(gan, *parts))
        with named_limits(config, stream.real_count):
            if options.dry_run:
                dry_run.report(gan, stream, schedule, config=config, folder=out)
                return 0
            if devices.is_first():
                run_config.write(out, config)
                draw_real(stream, preset, out / "real.png")
            make_metric = metric_maker(pixels, held_out) if config.quality and len(pixels) >= FEWEST_MEASURED else None
            return train(gan, stream, schedule, preset=preset, config=config, out=out, make_metric=make_metric)


def parse_arguments():
    """Parse the options and fill in the preset's values for those left out."""
    parser = cli.parser(__doc__)
    parser.usage = "train_gan.py DATA --preset NAME --out DIR [option ...]"
    parser.add_argument("data", nargs="*", metavar="DATA", help="one or more .npz of images, or mnist or cifar10")
    add_what(parser.add_argument_group("data and output"))
    add_length(parser.add_argument_group("length of the run (default: the preset's)"))
    add_learning(parser.add_argument_group("learning (default: the preset's, unless one is shown)"))
    add_running(parser.add_argument_group("running"))
    options = parser.parse_args()
    if options.check_device:
        return options
    required = {"DATA": options.data, "--preset": options.preset, "--out": options.out}
    if missing := [name for name, value in required.items() if not value]:
        parser.error(f"the following arguments are required: {', '.join(missing)}")
    options.data = options.data[0] if len(options.data) == 1 else options.data
    return with_preset_values(options)


def add_what(group):
    names = f"{', '.join(presets.PRESETS)} (docs/presets.md)"
    share = cli.number(0, 0.9)
    group.add_argument("--preset", choices=presets.PRESETS, metavar="NAME", help=names)
    group.add_argument("--out", metavar="DIR", help="the run folder")
    group.add_argument("--hold-out", type=share, default=0.0, metavar="SHARE", help="share kept for evaluation")
    group.add_argument("--limit", type=cli.integer(1), metavar="N", help="train on N images, chosen at random")
    group.add_argument("--init-from", nargs="+", metavar="H5", help="initial weights: generator [discriminator]")


def add_length(group):
    length = group.add_mutually_exclusive_group()
    epoch = "n // batch steps; some presets show D n/2 images"
    length.add_argument("--epochs", type=cli.integer(1), metavar="N", help=epoch)
    length.add_argument("--steps", type=cli.integer(1), metavar="N", help="training steps, instead of --epochs")
    group.add_argument("--save-every", type=cli.integer(1), metavar="N", help="epochs between saves (roses64: steps)")


def add_learning(group):
    positive = cli.number(0, above=True)
    group.add_argument("--batch-size", type=cli.integer(2), metavar="N", help="images generated per update of G")
    group.add_argument(
        "--accumulate", type=cli.integer(1), default=1, metavar="N", help="parts of a batch, for less memory"
    )
    group.add_argument("--learning-rate", type=positive, metavar="RATE", help="Adam's rate for G; D's follows from it")
    group.add_argument("--lr-decay", type=cli.number(0, 1), metavar="SHARE", help="last share, where rates fall to 0")
    group.add_argument(
        "--ema-decay", type=cli.number(0, 0.99999), metavar="X", help="decay of the generator's moving average"
    )
    group.add_argument("--latent-dim", type=cli.integer(1), metavar="N", help="length of a latent")
    group.add_argument("--loss", choices=("bce", "hinge", "relativistic"), help="bce: binary cross-entropy")
    group.add_argument("--r1", type=cli.number(0), metavar="GAMMA", help="penalty on D's gradient at real images")
    group.add_argument("--r2", type=cli.number(0), metavar="GAMMA", help="the same at generated images")
    group.add_argument("--mirror", action=argparse.BooleanOptionalAction, help="mirror real images at random")
    group.add_argument(
        "--label-smoothing", type=cli.number(0, 0.5), default=0.0, metavar="X", help="D's target for real images: 1 - X"
    )
    group.add_argument("--augment", action="store_true", help="differentiable augmentation, for small data sets")
    settings = "another setting of the preset (docs/ideas.md)"
    group.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help=settings)


def add_running(group):
    precisions = ("auto", "float32", "mixed_bfloat16", "mixed_float16")
    minutes = cli.number(0, above=True)
    group.add_argument("--seed", type=cli.integer(0, 2**31), default=0, metavar="N", help="random seed")
    group.add_argument(
        "--precision", choices=precisions, default="auto", metavar="NAME", help=f"{', '.join(precisions)}"
    )
    hardware.add_argument(group)
    group.add_argument("--check-device", action="store_true", help="print whether a GPU is used, and how fast it is")
    group.add_argument(
        "--on-collapse", choices=("warn", "stop", "restore"), default="warn", help="what to do when training fails"
    )
    group.add_argument("--save-minutes", type=minutes, default=5.0, metavar="N", help="minutes between saved states")
    group.add_argument("--no-quality", dest="quality", action="store_false", help="do not evaluate saved generators")
    group.add_argument("--dry-run", action="store_true", help="print networks, memory and time; train nothing")


def chosen_preset(options):
    """The preset's row, with the changes of --set."""
    row, changes = presets.PRESETS[options.preset], {}
    for setting in options.set:
        name = setting.partition("=")[0]
        if hasattr(options, name):
            raise cli.UserError(f"--set {name}: has an option of its own; use --{name.replace('_', '-')}")
        with cli.naming("--set"):
            changes |= [presets.parse_setting(setting)]
    return dataclasses.replace(row, **changes)


def with_preset_values(options):
    """Fill in the preset's values for options left out; its length only if neither --epochs nor --steps is given."""
    preset = chosen_preset(options)
    values = vars(options)
    if options.epochs is None and options.steps is None:
        values = {**values, "epochs": preset.epochs, "steps": preset.steps}
    names = ("batch_size", "learning_rate", "lr_decay", "latent_dim", "save_every", "ema_decay", "loss", "mirror")
    left_out = {name: getattr(preset, name) for name in names if values[name] is None}
    return argparse.Namespace(**{**values, **left_out})


def check_options(options, preset):
    """Refuse options that do not go together."""
    if preset.halves_batch and options.batch_size % 2:
        raise cli.UserError(
            f"--batch-size {options.batch_size}: must be even, as half of it is real; try {options.batch_size + 1}"
        )
    real_count = options.batch_size // 2 if preset.halves_batch else options.batch_size
    if real_count % options.accumulate:
        raise cli.UserError(
            f"--accumulate {options.accumulate}: must divide the {real_count} real images of a batch; "
            f"try {math.gcd(real_count, options.accumulate)}, or another --batch-size"
        )
    if options.init_from and len(options.init_from) > 2:
        raise cli.UserError("--init-from: takes one or two files, generator.h5 [discriminator.h5]")
    if options.loss != "bce" and options.label_smoothing:
        raise cli.UserError(
            f"--label-smoothing: is for --loss bce; {options.loss} has no targets to smooth, so leave it out"
        )
    if options.loss != "bce" and preset.label_noise:
        raise cli.UserError(f"--set label_noise: is for --loss bce; {options.loss} has no labels, so leave it out")
    if options.loss == "relativistic" and preset.update == "alternating":
        raise cli.UserError(
            f"--loss relativistic: compares real with generated images, which {options.preset} shows D separately; "
            "use a preset such as slim80"
        )
    if options.quality:
        cli.require_rooms(("metrics",), "evaluating saved generators (--no-quality skips it)")


def start_backend(options):
    """Import Keras, join the other processes of a launch, and print the device; returns (it, the precision)."""
    if options.device == "cpu":
        hardware.hide_gpus()
    hardware.keep_freed_memory()
    cli.import_keras()

    from facegan.training import devices

    with cli.naming("several processes:"):
        devices.join()
    with cli.naming("KERAS_BACKEND"):
        device = hardware.find_device()
    precision = hardware.resolve_precision(options.precision, device)
    with cli.naming("--device"):
        hardware.announce(options.device, device, precision)
    hardware.check_address_space(TO_START)
    devices.distribute(device)
    return device, precision


def load_data(options):
    """The images of DATA and their fingerprint."""
    with cli.naming("DATA"):
        return datasets.load_images(options.data)


def choose_rows(pixels, options):
    """Check the data's size and return (rows to train on, rows held out)."""
    from facegan.training import batches

    try:
        presets.count_downsamplings(*pixels.shape[1:3])
    except ValueError as error:
        nearest = "x".join(map(str, presets.nearest_size(*pixels.shape[1:3])))
        raise cli.UserError(f"DATA: {error}; prepare them with --size {nearest}") from None
    rows, held_out = batches.split_rows(len(pixels), options.hold_out, options.seed)
    if options.limit is not None:
        if options.limit > len(rows):
            raise cli.UserError(f"--limit {options.limit}: there are only {len(rows)} images to train on")
        rows = rows[batches.split_rows(len(rows), 1 - options.limit / len(rows), options.seed)[0]]
    if len(rows) < options.batch_size:
        even = len(rows) // 2 * 2
        remedy = f"use at most {even}" if even else "there are too few images to train on"
        raise cli.UserError(
            f"--batch-size {options.batch_size}: more than the {len(rows)} images to train on; {remedy}"
        )
    return rows, held_out


def plan(options, preset, count):
    """The schedule in steps. A run counted in steps writes ten rows of log.csv between two saved generators."""
    from facegan.training import loop

    steps_per_pass = count // options.batch_size
    total = options.steps or options.epochs * steps_per_pass
    save_every = options.save_every
    if preset.steps:
        epoch = save_every // 10 if save_every % 10 == 0 else save_every
        return loop.Schedule(total, epoch, save_every, by_steps=True)
    return loop.Schedule(total, steps_per_pass, save_every * steps_per_pass)


def build(config, preset, steps):
    """The compiled GAN, with fresh weights."""
    from facegan.training import augment, gan, optimizers

    import keras

    if config.precision == "mixed_float16" and config.backend == "jax":
        raise cli.UserError("--precision mixed_float16: its loss scaling does not work under JAX; use mixed_bfloat16")
    if config.accumulate > 1 and (preset.batch_norm or preset.d_batch_norm):
        part = config.batch_size // config.accumulate
        print(f"note: in parts, batch norm averages over {part} images at a time, not over {config.batch_size}")
    keras.utils.set_random_seed(config.seed)
    model = gan.GAN.from_preset(
        preset,
        config.image_shape,
        latent_dim=config.latent_dim,
        precision=config.precision,
        loss=config.loss,
        label_smoothing=config.label_smoothing,
        r1=config.r1,
        r2=config.r2,
        ema_decay=config.ema_decay,
        accumulate=config.accumulate,
        augment=augment.augment if config.augment else None,
        seed=config.seed,
    )
    rates = config.learning_rate * preset.d_rate, config.learning_rate
    if config.lr_decay:
        updates = steps * preset.d_updates, steps
        rates = [optimizers.LearningRateDecay(*pair, config.lr_decay) for pair in zip(rates, updates, strict=True)]
    betas = {"beta_1": preset.beta_1, "beta_2": preset.beta_2}
    if preset.update_clip:
        both = [optimizers.ClippedAdam(rate, **betas, update_clip=preset.update_clip) for rate in rates]
    else:
        both = [keras.optimizers.Adam(rate, **betas) for rate in rates]
    if config.precision == "mixed_float16":
        both = [keras.optimizers.LossScaleOptimizer(optimizer) for optimizer in both]
    model.compile(*both, jit_compile=config.xla)
    return model


def load_weights(gan, paths):
    """Copy weights from files, a generator's and optionally a discriminator's, into the networks."""
    from facegan.common import model_files
    from facegan.training import networks

    targets = ((gan.generator, gan.averaged_generator), (gan.discriminator,))
    for path, changed, expected in zip(paths, targets, ("generator", "discriminator"), strict=False):
        with cli.naming("--init-from"):
            saved = model_files.load_model_file(path, expected)
        for network in changed:
            given, own = ([w.shape for w in networks.learned_weights(each)] for each in (saved, network))
            if given != own:
                raise cli.UserError(
                    f"--init-from {path}: its layers are not those of this preset at this size and --latent-dim; "
                    "use the preset, image size and latent length that it was trained with"
                )
            networks.copy_weights(saved, network)


def draw_real(batches, preset, path):
    """Draw as many training images as there are in the pictures of generated ones."""
    pixels = batches.pixels[batches.rows[: preset.plot_side**2]]
    with files.atomic_write(path) as file:
        inverted = preset.inverted and pixels.shape[-1] == 1
        images.grid(images.as_shown(pixels, inverted), columns=preset.plot_side).save(file, "PNG")


def metric_maker(pixels, held_out):
    """A function that makes the metric of saved generators."""
    from facegan.metrics import quality

    return functools.partial(quality.QualityMetric, pixels, held_out)


@contextlib.contextmanager
def named_network_limits(config):
    """Name the options that help when memory runs out before the first batch."""
    from facegan.training import loop

    try:
        with loop.explained_limits():
            yield
    except loop.OutOfMemoryError as error:
        remedy = "try a smaller --latent-dim, fewer filters by --set, or smaller images"
        raise cli.OutOfMemoryError(f"--preset {config.preset}: {error} for its networks; {remedy}") from error


@contextlib.contextmanager
def named_limits(config, real_count):
    """Name the options that help when memory runs out; a batch has `real_count` real images."""
    from facegan.training import loop

    try:
        yield
    except loop.OutOfMemoryError as error:
        parts = range(2 * config.accumulate, real_count + 1)
        remedies = [f"--accumulate {count}" for count in parts if real_count % count == 0][:1]
        if config.batch_size >= 4:
            remedies.append(f"--batch-size {config.batch_size // 4 * 2}")
        remedy = " or ".join(remedies) or "smaller images"
        raise cli.OutOfMemoryError(f"--batch-size {config.batch_size}: {error}; try {remedy}") from error


def train(gan, batches, schedule, *, preset, config, out, make_metric):
    """Train, and return the exit code, also of a run that a failure stopped."""
    from facegan.training import checkpoints, devices, loop, recorder, run_writer

    notes = {"preset": config.preset, "latent_prior": config.latent_prior, "fingerprint": config.fingerprint}
    notes |= {"loss": config.loss, "inverted": preset.inverted and config.image_shape[-1] == 1}
    notes["prepared"] = datasets.shared_record(config.data)
    if devices.is_first():
        settings = dataclasses.asdict(dataclasses.replace(config, held_out_rows=[]))  # these follow from the others
        options = {"batches": batches, "make_metric": make_metric, "remedies": REMEDIES, "settings": settings}
        writer = run_writer.RunWriter(out, schedule, preset, notes, **options)
    else:
        writer = run_writer.SilentWriter(out)
    try:
        loop.train(gan, batches, schedule, writer, on_collapse=config.on_collapse, save_minutes=config.save_minutes)
    except checkpoints.StateError as error:
        raise cli.UserError(f"--out {error}") from error
    except recorder.CollapseError as collapsed:
        can_go_back = config.on_collapse != "restore" and checkpoints.has_state(out)
        hint = "; --on-collapse restore would go back to an earlier state" if can_go_back else ""
        print(f"stopped: {collapsed.finding.kind}{hint}")
        return EXIT_COLLAPSED
    length = f"{schedule.total:,} steps, {schedule.total * batches.real_count / 1000:,.0f} kimg"
    print(f"done: {length}; draw faces with: python generate.py {shlex.quote(str(out))} --faces 1-25 --out faces.png")
    return 0


if __name__ == "__main__":
    cli.run(main)
