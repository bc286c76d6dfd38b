"""Run the other scripts one after another, from photographs to faces in minutes.

    python demo.py
    python demo.py my_photos.zip --train="--steps 8000"

Without PHOTOS it trains on synthetic portraits that it draws. An interrupted training
resumes when you run it again. The page index.html in --out shows every command and
its result.
Copy with it: the other scripts, facegan and pretrained.
"""

import dataclasses
import html
import shlex
import string
import subprocess
import sys
import time
from pathlib import Path

from facegan.common import cli, datasets, files, generators
from facegan.preparing import photos

STEPS = 3000
SAVES = 5
MOST_PHOTOS = 5000
PORTRAITS = 1000
NO_DATA = "missing.npz"
FEW_IMAGES = 500  # with fewer, augmentation keeps the discriminator from memorising them
BATCH = 16
TERMS = ("--plus", "1,2,3", "--minus", "4,5,6", "--plus", "7,8,9")
# Only for the bundled generator is it known what these faces show.
BUNDLED_TERMS = (
    *("--plus", "smiling_woman=25,113,150"),
    *("--minus", "neutral_woman=33,43,99"),
    *("--plus", "neutral_man=49,66,112"),
)
IMAGES = (".png", ".gif", ".jpg")
PAGE = string.Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>From photographs to faces</title>
<style>
body { max-width: 70rem; margin: auto; padding: 1rem; font: 16px/1.5 system-ui, sans-serif; color: #202020 }
pre { white-space: pre-wrap; padding: .5rem; background: #f4f4f4; border: 1px solid #ccc }
img { max-width: 100%; max-height: 60rem; vertical-align: top; margin: 2px }
.many img { height: 9rem }
</style>
</head>
<body>
<h1>From photographs to faces</h1>
<p>Each picture was made by the command above it. Run the commands in the folder that holds the scripts.</p>
$sections
</body>
</html>
""")


@dataclasses.dataclass(frozen=True)
class Stage:
    """A command of the demo and its results.

    Attributes:
        title, about: text for the page.
        command: the script's name and its arguments, a list of str.
        shows: paths of files that it writes; pictures are shown, other files are linked.
    """

    title: str
    about: str
    command: list
    shows: list

    @property
    def text(self):
        """The command as it is typed."""
        return shlex.join(["python", *self.command])


def main():
    options = parse_arguments()
    with cli.naming("bundled generator"):
        generators.find_generator(None)
    out = Path(options.out or default_folder(options.photos))
    if options.photos and out.resolve().is_relative_to(Path(options.photos).resolve()):
        raise cli.UserError(f"--out {out}: is in PHOTOS, so the demo's pictures would count as photos; name another")
    with cli.naming("--out"):
        files.writable_folder(out)
    done = []
    for part in (bundled_stages, preparing_stages, training_stages, drawing_stages):
        for stage in part(out, options):
            seconds = None if is_done(stage) else run(stage, number=len(done) + 1)
            done.append((stage, seconds))
            text = page(done, out)
            with files.atomic_write(out / "index.html", "w", encoding="utf-8") as file:
                file.write(files.printable(text))
    print(f"\nall results with their commands: {out / 'index.html'}")


def parse_arguments(arguments=None):
    parser = cli.parser(__doc__)
    add = parser.add_argument
    add("photos", nargs="?", metavar="PHOTOS", help="folder, .zip or list of photographs (default: synthetic ones)")
    add("--out", metavar="FOLDER", help="folder for the results (default: demo, or demo/of_NAME for PHOTOS)")
    add(
        "--train",
        type=cli.argument(shlex.split),
        default=[],
        metavar="OPTIONS",
        help='further options for train_gan.py, as in --train="--steps 8000"',
    )
    options = parser.parse_args(arguments)
    if options.photos:
        with cli.naming("PHOTOS"):
            photos.open_source(options.photos)
    if options.train:
        check_training(options.train)
    return options


def check_training(words):
    """Refuse what train_gan.py would refuse, before anything is drawn: give it the options with data it cannot find."""
    command = [sys.executable, Path(__file__).with_name("train_gan.py"), NO_DATA, "--preset", "faces32", "--out", "run"]
    said = subprocess.run([*command, *words], capture_output=True, text=True).stderr
    if f"DATA {NO_DATA}" not in said:
        reason = said.partition("error: ")[2].strip() or said or "trains nothing; give it options for training"
        raise cli.UserError(f"--train: {reason}")


def default_folder(source):
    """The folder for the results; a user's photographs get their own, since a run folder never holds two runs."""
    return Path("demo") / f"of_{Path(source).resolve().stem}" if source else Path("demo")


def bundled_stages(out, options):
    yield from drawing_commands(
        out,
        model=[],
        name="the bundled generator",
        prefix="bundled_",
        terms=BUNDLED_TERMS,
        about="A smiling woman minus a neutral woman plus a neutral man gives a smiling man.",
    )


def preparing_stages(out, options):
    if not options.photos:
        yield Stage(
            "Synthetic portraits in place of photographs",
            "The bundled generator draws the faces; the rest is random. None is a photograph of a real person.",
            ["make_portraits.py", "--out", str(out / "photographs"), "--count", str(PORTRAITS)],
            [out / "photographs" / f"portrait_{number:04d}.jpg" for number in range(1, 13)],
        )
    source, data = options.photos or str(out / "photographs"), str(out / "faces32.npz")
    yield Stage(
        "Faces cropped from the photographs",
        "A face detector finds the faces, which are cropped, resized to 32x32 pixels and saved in one file.",
        [
            "prepare_faces.py",
            source,
            "--out",
            data,
            "--size",
            "32",
            "--align",
            "--photos",
            str(MOST_PHOTOS),
            "--overwrite",
        ],
        [out / "faces32.png", out / "faces32.csv"],
    )


def training_stages(out, options):
    data = out / "faces32.npz"
    count = len(datasets.open_array(data)[1])
    if count < 2:
        raise cli.UserError(f"PHOTOS: only {count} faces were found in them; {out / 'faces32.csv'} says why")
    batch = min(BATCH, count // 2 * 2)
    save_every = max(1, round(STEPS / SAVES / (count // batch)))
    few = ["--augment"] if count < FEW_IMAGES else []
    command = ["train_gan.py", str(data), "--preset", "faces32", "--out", str(out / "run"), "--steps", str(STEPS)]
    yield Stage(
        "A generator trained on them",
        "In a few minutes it learns rough faces. More photographs and more steps make them better.",
        [*command, "--batch-size", str(batch), "--save-every", str(save_every), *few, *options.train],
        [out / "run" / "progress.gif", out / "run" / "losses.png"],
    )


def drawing_stages(out, options):
    yield from drawing_commands(
        out,
        model=[str(out / "run")],
        name="the generator just trained",
        prefix="",
        terms=TERMS,
        about="The result is a face again, or nearly one. Choose your own terms from the faces above.",
    )


def drawing_commands(out, *, model, name, prefix, terms, about):
    """Four stages (faces, a path, a sum, a page) for `model`, a list of one MODEL or none; `about` tells of the sum."""
    sheet, path, result, web_page = (
        out / f"{prefix}{file}" for file in ("faces.png", "path.png", "arithmetic.png", "explore.html")
    )
    yield Stage(
        f"Faces from {name}",
        "Each face has a number, which stands for the same face in every command.",
        ["generate.py", *model, "--faces", "1-40", "--columns", "10", "--out", str(sheet)],
        [sheet],
    )
    yield Stage(
        "From face to face",
        "Each step goes a little further along the great circle through the latent space (slerp).",
        ["interpolate.py", *model, "--faces", "3,17", "--out", str(path)],
        [path],
    )
    yield Stage(
        "Sums of faces",
        f"Averages of faces are added and subtracted. {about}",
        ["vector_arithmetic.py", *model, *terms, "--out", str(result)],
        [result],
    )
    yield Stage(
        f"A page to explore {name}",
        "The generator runs in the page linked below: choose faces, change them, and copy the commands.",
        ["explore.py", *model, "--out", str(web_page)],
        [web_page],
    )


def is_done(stage):
    """Whether a stage can be skipped: only the portraits, which appear all at once and are never replaced."""
    return stage.command[0] == "make_portraits.py" and stage.shows[0].exists()


def run(stage, number):
    """Run a stage's command and return its seconds; if it fails, exit with its exit code."""
    print(f"\n{number}. {stage.title}\n{stage.text}", flush=True)
    started = time.monotonic()
    script = Path(__file__).with_name(stage.command[0])
    process = subprocess.Popen([sys.executable, script, *stage.command[1:]])
    try:
        code = process.wait()
    except (KeyboardInterrupt, cli.Terminated) as stop:
        # Ctrl-C reached the command too. It is saving its state, so it must be neither abandoned nor cut short.
        if isinstance(stop, cli.Terminated):
            process.terminate()
        process.wait()
        raise type(stop)("run the same command to resume") from None
    if code:
        sys.exit(code)
    return time.monotonic() - started


def page(done, folder):
    """Build the page.

    Args:
        done: pairs of a `Stage` and its seconds, None if it was skipped.
        folder: the page's; links are relative to it, and files that do not exist are left out.

    Returns:
        The text of an HTML file.
    """
    sections = [_section(number, *pair, folder) for number, pair in enumerate(done, 1)]
    return PAGE.substitute(sections="\n".join(sections))


def _section(number, stage, seconds, folder):
    links = [Path(path).relative_to(folder).as_posix() for path in stage.shows if Path(path).is_file()]
    shown = [link for link in links if Path(link).suffix in IMAGES]
    others = [link for link in links if link not in shown]
    took = "was there already" if seconds is None else f"took {seconds:,.0f} s"
    return "\n".join(
        [
            f"<h2>{number}. {html.escape(stage.title)}</h2>",
            f"<p>{html.escape(stage.about)} This {took}.</p>",
            f"<pre>{html.escape(stage.text)}</pre>",
            f'<p class="{"many" if len(shown) > 2 else "few"}">',
            *(_link(link, f'<img src="{html.escape(link)}" alt="{html.escape(Path(link).stem)}">') for link in shown),
            "</p>",
            *(f"<p>{_link(link, html.escape(link))}</p>" for link in others),
        ]
    )


def _link(link, content):
    return f'<a href="{html.escape(link)}">{content}</a>'


if __name__ == "__main__":
    cli.run(main)
