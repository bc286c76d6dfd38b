"""Train a face generator on a data set that prepare_faces.py made; the same command again goes on where it stopped.

    python train_gan.py data/faces32.npz --preset faces32 --out runs/faces32

Writes into the folder that --out names, and nowhere else:
  generator_model_010.h5, discriminator_model_010.h5   the networks after epoch 10 (by steps for roses64: 001000)
  generator_best.h5                                    the one whose faces are closest to real ones so far
  generated_plot_e010.png, progress.gif                the same 49 faces, drawn each time
  real.png                                             49 of the real images
  log.csv, steps.csv, losses.png, tensorboard/         numbers by epoch and by ten steps, their curves, events
  config.json                                          every setting, the data's fingerprint, versions
  state.npz, state_previous.npz, state_oldest.npz      all that is needed to go on
  generator.png, discriminator.png                     with --dry-run, where pydot and graphviz are installed

Exit codes: 0 done, 2 a mistake in the command, 3 stopped by --on-collapse, 130 and 143 stopped by Ctrl-C and SIGTERM
after the state was saved.

Needs: facegan/ augment, backend, checkpoints, collapse, commands, configuration, cooling, cpu_layers, data, devices,
distances, distribution, estimate, face_features, files, follower, gan, images, latents, model_files, networks, npz,
old_files, plain_features, presets, quality, recorder, records, runs, training.
"""

import contextlib

from facegan import commands, presets
from facegan.commands import UserError

EXIT_COLLAPSED = 3
FEWEST_MEASURED = 4


def main():
    options = read_options()
    preset = presets.PRESETS[options.preset]
    fill_from_preset(options, preset)
    commands.import_keras()

    from facegan import checkpoints, configuration, data, devices, distribution, files

    distribution.join()
    distribution.spread(devices.find_device())

    pixels, fingerprint = data.load_images(options.data)
    rows, held_out = choose_rows(pixels, options)
    schedule = plan(options, preset, len(rows))
    out = files.writable_folder(options.out)
    settings = configuration.resolve(options, preset, pixels.shape[1:], fingerprint, held_out)
    unheld = options.dry_run or not distribution.is_first()
    with contextlib.nullcontext() if unheld else files.held(out, f"--out {out}: is being trained in"):
        differing = configuration.check_same_run(out, settings)
        made = checkpoints.steps_made(out)
        if made > schedule.total and not options.dry_run:
            print(f"{out} holds {made:,} steps, more than the {schedule.total:,} asked for: nothing to train")
            return 0
        if options.cooling and {"epochs", "steps"} & set(differing):
            print("note: the learning rate follows the new length of the run, and falls in its last part")
        gan = build(options, preset, pixels.shape[1:], settings, schedule.total)
        batches = data.Batches(
            pixels,
            rows,
            options.batch_size,
            halved=preset.update != "summed",
            latent_dim=options.latent_dim,
            latents=preset.latents,
            shared_latents=preset.shared_latents,
            seed=options.seed,
        )
        distribution.check_batch_size(options.batch_size, batches.real_count)
        if options.dry_run:
            from facegan import estimate

            estimate.tell(gan, batches, schedule, settings, out)
            return 0
        make_judge = judge_maker(options, pixels, held_out)
        if distribution.is_first():
            configuration.write(out, settings)
            draw_real(batches, preset.output, out / "real.png")
        return train(gan, batches, schedule, out, settings, options, make_judge)


def read_options():
    parser = commands.parser(__doc__)
    add = parser.add_argument
    rows = [f" {name}, {preset.about}" for name, preset in presets.PRESETS.items()]
    add("data", metavar="DATA", help="a .npz of images, or mnist or cifar10, which Keras downloads")
    add("--preset", required=True, choices=presets.PRESETS, help="one of these:" + "; ".join(rows))
    add("--out", required=True, metavar="DIR", help="the run folder")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--epochs", type=commands.integer(1), help="passes over the data (default: the preset's)")
    length.add_argument("--steps", type=commands.integer(1), help="training steps, instead of --epochs")
    add("--batch-size", type=commands.integer(2), help="images generated for an update of G (default: the preset's)")
    add(
        "--learning-rate",
        type=commands.number(0, above=True),
        help="of Adam, for G (default: the preset's); D's is the preset's multiple of it",
    )
    add(
        "--cooling",
        type=commands.number(0, 1),
        help="share of the steps, the last ones, in which the learning rate falls to 0 (default: the preset's); "
        "given more --epochs, a run takes the rate that belongs to its new length",
    )
    add("--latent-dim", type=commands.integer(1), help="numbers in a latent (default: the preset's)")
    add(
        "--seed",
        type=commands.integer(0, 2**31),
        default=0,
        help="same seed, data and machine: same result (default 0)",
    )
    add(
        "--every",
        type=commands.integer(1),
        help="epochs between saved generators; steps for roses64 (default: the preset's)",
    )
    precisions = ("auto", "float32", "mixed_bfloat16", "mixed_float16")
    add("--precision", choices=precisions, default="auto", help="auto picks the faster one for this device")
    add(
        "--hold-out",
        type=commands.number(0, 0.9),
        default=0.0,
        help="share of images kept out of training, for measuring",
    )
    add("--limit", type=commands.integer(1), help="train on this many images, drawn at random by the seed")
    add("--average", type=commands.number(0, 0.99999), help="decay of the average of G that is saved; 0 saves G itself")
    add("--loss", choices=("bce", "hinge"), default="bce", help="hinge is worth a try when D wins (default bce)")
    add(
        "--smooth",
        type=commands.number(0.5, 1),
        default=1.0,
        help="D's target for real images: 0.9 holds back a D that wins",
    )
    add("--augment", action="store_true", help="differentiable augmentation: for fewer than some 10,000 images")
    add("--start-from", nargs="+", metavar="FILE", help="generator.h5 [discriminator.h5] to begin with")
    add("--on-collapse", choices=("warn", "stop", "restore"), default="warn", help="when training fails (default warn)")
    add(
        "--save-minutes",
        type=commands.number(0, above=True),
        default=5.0,
        help="minutes between saved states (default 5)",
    )
    add("--no-quality", dest="quality", action="store_false", help="do not measure the generators that are saved")
    add("--dry-run", action="store_true", help="print settings, networks, memory and time per epoch, train nothing")
    return parser.parse_args()


def fill_from_preset(options, preset):
    """Options left unset fall back to the preset's row; how long does so only if neither way of saying it is used."""
    if options.epochs is None and options.steps is None:
        options.epochs, options.steps = preset.epochs, preset.steps
    for name in ("batch_size", "learning_rate", "cooling", "latent_dim", "every", "average"):
        if getattr(options, name) is None:
            setattr(options, name, getattr(preset, name))
    if preset.update != "summed" and options.batch_size % 2:
        raise UserError(
            f"--batch-size {options.batch_size}: must be even, half of it is real; try {options.batch_size + 1}"
        )
    if options.start_from and len(options.start_from) > 2:
        raise UserError("--start-from: takes one or two files, generator.h5 [discriminator.h5]")
    if options.loss == "hinge" and options.smooth != 1:
        raise UserError("--smooth: softens the targets of --loss bce; hinge has none, leave it out")


def choose_rows(pixels, options):
    """(rows to train on, rows held out), with everything about the data's size checked."""
    from facegan import data

    try:
        presets.halvings(*pixels.shape[1:3])
    except ValueError as error:
        raise UserError(f"DATA {options.data}: {error}") from None
    rows, held_out = data.split_rows(len(pixels), options.hold_out, options.seed)
    if options.limit is not None:
        if options.limit > len(rows):
            raise UserError(f"--limit {options.limit}: there are only {len(rows)} images to train on")
        rows = rows[data.split_rows(len(rows), 1 - options.limit / len(rows), options.seed)[0]]
    if len(rows) < options.batch_size:
        even = len(rows) // 2 * 2
        remedy = f"at most {even}" if even else "there are too few images to train on"
        raise UserError(f"--batch-size {options.batch_size}: more than the {len(rows)} images to train on; {remedy}")
    return rows, held_out


def plan(options, preset, count):
    """The schedule in steps. Runs counted in steps write ten lines of log.csv between two saved generators."""
    from facegan import training

    steps_per_pass = count // options.batch_size
    total = options.steps or options.epochs * steps_per_pass
    if preset.steps:
        epoch = options.every // 10 if options.every % 10 == 0 else options.every
        return training.Schedule(total, epoch, options.every, by_steps=True)
    return training.Schedule(total, steps_per_pass, options.every * steps_per_pass)


def build(options, preset, image_shape, settings, steps):
    """The compiled GAN, with fresh weights or those of --start-from."""
    import keras

    from facegan import augment, checkpoints, cooling, gan, networks

    if settings["precision"] == "mixed_float16" and settings["backend"] == "jax":
        raise UserError("--precision mixed_float16: its scaled losses cannot be trained under JAX; use mixed_bfloat16")
    keras.utils.set_random_seed(options.seed)
    model = gan.GAN(
        networks.build_generator(preset, image_shape, options.latent_dim, settings["precision"], to_train=True),
        networks.build_discriminator(preset, image_shape, dtype=settings["precision"], to_train=True),
        networks.build_generator(preset, image_shape, options.latent_dim, dtype="float32"),
        output=preset.output,
        update=preset.update,
        loss=options.loss,
        smooth=options.smooth,
        average=options.average,
        augment=augment.augment if options.augment else None,
        seed=options.seed,
    )
    # A run that goes on has its weights in its state, and those files may be gone by now.
    if options.start_from and not checkpoints.has_state(options.out):
        start_from(model, options.start_from)
    rates = options.learning_rate * preset.d_rate, options.learning_rate
    if options.cooling:
        updates = steps * preset.d_updates, steps
        rates = [cooling.Cooling(*pair, options.cooling) for pair in zip(rates, updates, strict=True)]
    optimizers = [keras.optimizers.Adam(rate, beta_1=preset.beta_1) for rate in rates]
    if settings["precision"] == "mixed_float16":
        optimizers = [keras.optimizers.LossScaleOptimizer(optimizer) for optimizer in optimizers]
    model.compile(*optimizers, jit_compile=settings["xla"])
    return model


def start_from(model, paths):
    """Copy the weights of existing files into the networks."""
    from facegan import model_files

    targets = ((model.generator, model.averaged_generator), (model.discriminator,))
    for path, networks, expected in zip(paths, targets, ("generator", "discriminator"), strict=False):
        weights = model_files.load_model_file(path, expected, "--start-from").get_weights()
        shapes = [array.shape for array in weights]
        if shapes != [array.shape for array in networks[0].get_weights()]:
            raise UserError(
                f"--start-from {path}: its layers are not those of this preset at this size and --latent-dim; "
                "train with the preset and the data that it was made with"
            )
        for network in networks:
            network.set_weights(weights)


def draw_real(batches, output, path):
    """Draw the first 49 images that training sees, to compare the generated ones with."""
    from facegan import files, images

    pixels = batches.pixels[batches.rows[:49]]
    with files.whole_file(path) as file:
        images.grid(images.shown(pixels, output), columns=7).save(file, "PNG")


def judge_maker(options, pixels, held_out):
    """A function that makes the judge of saved generators, or None where they are not to be measured."""
    if not options.quality or len(pixels) < FEWEST_MEASURED:
        return None

    def make_judge():
        from facegan import quality

        return quality.Judge(pixels, held_out)

    return make_judge


def train(gan, batches, schedule, out, settings, options, make_judge):
    """Run the training and turn a collapse that stops it into its exit code."""
    from facegan import npz, recorder, training

    notes = {name: settings[name] for name in ("preset", "latents", "fingerprint")}
    notes["prepared"] = npz.how_prepared(options.data)
    try:
        training.train(gan, batches, schedule, out, notes, options.on_collapse, options.save_minutes, make_judge)
    except recorder.CollapseError:
        hint = "; --on-collapse restore goes back to a state from before" if options.on_collapse == "stop" else ""
        print(f"stopped by --on-collapse {options.on_collapse}{hint}")
        return EXIT_COLLAPSED
    print(f"done: {schedule.total:,} steps; draw faces with: python generate.py {out} --faces 1-25 --out faces.png")
    return 0


if __name__ == "__main__":
    commands.run(main)
