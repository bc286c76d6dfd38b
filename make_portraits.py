"""Draw portraits with a generator and save them as if they were photographs, to prepare and to train on.

    python make_portraits.py --out demo/photographs --count 1000

They are synthetic: every face is drawn by the generator, every background by chance, and nobody's photograph is among
them. They show the way from photographs to faces where there are no photographs at hand. MODEL is a run folder or a
generator file; left out, it is the generator that comes with the scripts. portrait_0012.jpg shows face 12, the same
whatever --count is. Writes these files into the folder of --out, which appears when all of them are drawn.

Needs: facegan/commands.py, files.py, images.py, latents.py, model_files.py, old_files.py, portraits.py, progress.py,
runs.py
"""

import shutil
from pathlib import Path

import numpy

from facegan import commands, files, latents, portraits, progress, runs

AT_ONCE = 64
JPEG_QUALITY = 92


def main():
    options = parse_arguments()
    out = checked_folder(options.out)
    runs.find_generator(options.model)
    generator = runs.load_generator(options.model)
    unfinished = out.with_name(f".{out.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    try:
        draw(generator, options, unfinished)
        if out.exists():
            out.rmdir()
        unfinished.rename(out)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    print(f"{options.count:,} synthetic portraits in {out}")


def parse_arguments():
    parser = commands.parser(__doc__)
    parser.add_argument(
        "model", nargs="?", metavar="MODEL", help="a run folder or a generator file (default: the shipped generator)"
    )
    parser.add_argument("--out", required=True, metavar="FOLDER", help="a new or empty folder")
    parser.add_argument(
        "--count", type=commands.integer(1, latents.MOST_FACES), default=1000, metavar="N", help="(default 1000)"
    )
    parser.add_argument(
        "--seed", type=commands.integer(0), default=0, metavar="N", help="of all but the faces (default 0)"
    )
    parser.add_argument(
        "--spread",
        type=commands.number(0, 100, above=True),
        default=0.9,
        metavar="X",
        help="below 1 draws tamer faces: every latent times X (default 0.9)",
    )
    return parser.parse_args()


def checked_folder(path):
    """The folder of --out, not made yet, or UserError before any work."""
    out = Path(path)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise commands.UserError(f"--out {out}: is there and not empty; name a new folder, or remove it")
    files.writable_folder(out.absolute().parent)
    return out.absolute()


def draw(generator, options, folder):
    """Draw and save the portraits; each has a random state of its own, so that it depends on no other."""
    numbers = range(1, options.count + 1)
    with progress.Progress(options.count) as bar:
        for first in range(0, options.count, AT_ONCE):
            chosen = numbers[first : first + AT_ONCE]
            points = latents.latents_of_faces(chosen, generator.latent_dim, generator.distribution)
            faces = generator.draw(latents.spread(points, options.spread))
            for number, face in zip(chosen, faces, strict=True):
                picture = portraits.portrait(face, numpy.random.default_rng([options.seed, number]))
                comment = f"synthetic, no photograph: face {number} of {generator.path.name} {generator.fingerprint}"
                picture.save(folder / f"portrait_{number:04d}.jpg", quality=JPEG_QUALITY, comment=comment)
            bar.update(chosen[-1], chosen[-1])


if __name__ == "__main__":
    commands.run(main)
