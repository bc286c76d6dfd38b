"""Go the whole way in minutes: draw with the shipped generator, then from photographs to faces of a generator's own.

    python demo.py
    python demo.py my_photos.zip --train="--steps 3000"

PHOTOS is a folder, a .zip or a list of photographs. Left out, the photographs are portraits that the shipped generator
draws: synthetic, so that nobody's face need come with the scripts. Each stage is a command, which is printed and can be
run alone; the same demo again goes on with the training where it stopped. Writes into the folder of --out: index.html,
what was made by which command, and what it shows: shipped_faces.png and .html, shipped_path.png,
shipped_arithmetic.png, photographs/ (without PHOTOS), faces32.npz, .csv and .png, the run folder run/, faces.png and
.html, path.png and arithmetic.png. Beside it stand the scripts that it runs.

Needs: facegan/commands.py, demo_page.py, files.py, images.py, model_files.py, npz.py, old_files.py, photos.py, runs.py
"""

import shlex
import subprocess
import sys
import time
from pathlib import Path

from facegan import commands, demo_page, files, npz, photos, runs
from facegan.demo_page import Stage

STEPS = 1500
SAVES = 5
MOST_PHOTOS = 5000
PORTRAITS = 1000
FEW_IMAGES = 500  # so few are seen sixty times each and more: augmentation then keeps D from knowing them by heart
BATCH = 64
TERMS = ("--plus", "1,2,3", "--minus", "4,5,6", "--plus", "7,8,9")
# What the numbers show is known of the shipped generator only.
SHIPPED_TERMS = (
    "--plus",
    "smiling_woman=18,81,98",
    "--minus",
    "neutral_woman=40,51,63",
    "--plus",
    "neutral_man=64,95,119",
)


def main():
    options = parse_arguments()
    runs.find_generator(None)
    out = files.writable_folder(options.out or default_folder(options.photos))
    done = []
    for part in (shipped_stages, preparing_stages, training_stages, drawing_stages):
        for stage in part(out, options):
            seconds = None if is_there(stage) else run(stage, number=len(done) + 1)
            done.append((stage, seconds))
            page = demo_page.page(done, out)
            with files.whole_file(out / "index.html", "w", encoding="utf-8") as file:
                file.write(page)
    print(f"\nall that was made, with its commands: {out / 'index.html'}")


def parse_arguments(arguments=None):
    parser = commands.parser(__doc__)
    parser.add_argument("photos", nargs="?", metavar="PHOTOS", help="your photographs (default: synthetic portraits)")
    parser.add_argument("--out", metavar="FOLDER", help="(default demo, or demo/of_NAME for PHOTOS)")
    parser.add_argument(
        "--train",
        type=commands.argument(shlex.split),
        default=[],
        metavar="OPTIONS",
        help="further options of train_gan.py, in quotes, joined by =",
    )
    options = parser.parse_args(arguments)
    if options.photos:
        try:
            photos.open_source(options.photos)
        except ValueError as error:
            raise commands.UserError(f"PHOTOS {error}") from None
    return options


def default_folder(photos):
    """Photographs of the user's get a folder of their own: a run folder never holds two runs."""
    return Path("demo") / f"of_{Path(photos).resolve().stem}" if photos else Path("demo")


def shipped_stages(out, options):
    result_is = "A smiling woman less a neutral one and with a neutral man is a smiling man."
    yield from pictures(out, [], "the shipped generator", "shipped_", SHIPPED_TERMS, result_is)


def preparing_stages(out, options):
    if not options.photos:
        yield Stage(
            "Photographs that no camera took",
            "The shipped generator draws the faces, chance the rest. They are synthetic: nobody's face is here.",
            ["make_portraits.py", "--out", str(out / "photographs"), "--count", str(PORTRAITS)],
            [out / "photographs" / f"portrait_{number:04d}.jpg" for number in range(1, 13)],
        )
    photos = options.photos or str(out / "photographs")
    data = str(out / "faces32.npz")
    yield Stage(
        "Faces cut out of the photographs",
        "A detector finds the faces; they become 32x32 pixels each, all in one file.",
        ["prepare_faces.py", photos, "--out", data, "--size", "32", "--limit", str(MOST_PHOTOS), "--overwrite"],
        [out / "faces32.png", out / "faces32.csv"],
    )


def training_stages(out, options):
    data = out / "faces32.npz"
    count = len(npz.open_array(data)[1])
    if count < 2:
        raise commands.UserError(f"PHOTOS: faces were found in {count} of them; {out / 'faces32.csv'} says why")
    batch = min(BATCH, count // 2 * 2)
    every = max(1, round(STEPS / SAVES / (count // batch)))
    few = ["--augment"] if count < FEW_IMAGES else []
    command = ["train_gan.py", str(data), "--preset", "faces32", "--out", str(out / "run"), "--steps", str(STEPS)]
    yield Stage(
        "A generator trained on them",
        "A few minutes show that it learns: the faces are rough. More photographs and more steps make it good.",
        [*command, "--batch-size", str(batch), "--every", str(every), *few, *options.train],
        [out / "run" / "progress.gif", out / "run" / "losses.png"],
    )


def drawing_stages(out, options):
    result_is = "The result is a face again, or something like one; choose your own terms from the faces above."
    yield from pictures(out, [str(out / "run")], "the generator just trained", "", TERMS, result_is)


def pictures(out, model, name, prefix, terms, result_is):
    """Three stages: faces, a path and a sum, drawn by `model`, a list of no MODEL or one; `result_is` of the sum."""
    faces, page, path, result = (
        out / f"{prefix}{file}" for file in ("faces.png", "faces.html", "path.png", "arithmetic.png")
    )
    yield Stage(
        f"Faces of {name}",
        "On the page linked to below, clicks choose faces and write commands.",
        ["generate.py", *model, "--faces", "1-40", "--columns", "10", "--out", str(faces), "--html", str(page)],
        [faces, page],
    )
    yield Stage(
        "From face to face",
        "Each step goes a little further along the great circle through the latent space (slerp).",
        ["interpolate.py", *model, "--faces", "3,17", "--out", str(path)],
        [path],
    )
    yield Stage(
        "Sums of faces",
        f"Averages of faces are added and subtracted. {result_is}",
        ["vector_arithmetic.py", *model, *terms, "--out", str(result)],
        [result],
    )


def is_there(stage):
    """Whether a stage need not run: only portraits appear all at once and are never replaced."""
    return stage.command[0] == "make_portraits.py" and stage.shows[0].exists()


def run(stage, number):
    """Run a stage's command and return its seconds; where it fails, end with its exit code."""
    print(f"\n{number}. {stage.title}\n{stage.text}", flush=True)
    started = time.monotonic()
    script = Path(__file__).with_name(stage.command[0])
    process = subprocess.Popen([sys.executable, script, *stage.command[1:]])
    try:
        code = process.wait()
    except (KeyboardInterrupt, commands.Terminated) as stop:
        # Ctrl-C reached the command too; it saves its state, and must not be left behind or cut short.
        if isinstance(stop, commands.Terminated):
            process.terminate()
        process.wait()
        raise type(stop)("run the same command to go on") from None
    if code:
        sys.exit(code)
    return time.monotonic() - started


if __name__ == "__main__":
    commands.run(main)
