"""Pictures that record how they were made (command, model, faces), so that they can be made again."""

import re
import shlex
import sys
from pathlib import Path

from facegan.common import files, images

from PIL import PngImagePlugin

LEFT_OUT = "--no-metadata"


def add_argument(parser):
    """Add --no-metadata to a parser."""
    parser.add_argument(LEFT_OUT, action="store_true", help="do not record the command (without folders) in pictures")


def record(generator, faces):
    """Record how a picture is made: the command line of this process, the generator and the faces.

    Folders are left out, since their names may say who somebody is.

    Args:
        generator: a `generators.Generator`.
        faces: the faces drawn, numbers, strings or paths of photographs.

    Returns:
        A dictionary of strings: "Software", "command", "model" (the file's name), "fingerprint" (that file's), "faces".
        It is empty if the command line has --no-metadata.
    """
    if LEFT_OUT in sys.argv:
        return {}
    command = ["python", Path(sys.argv[0]).name, *map(_without_folders, sys.argv[1:])]
    made_by = {
        "Software": "facegan",
        "command": shlex.join(command),
        "model": Path(generator.path).name,
        "fingerprint": generator.fingerprint,
        "faces": ",".join(face.name if isinstance(face, Path) else str(face) for face in faces),
    }
    return {name: files.printable(text) for name, text in made_by.items()}


def _without_folders(word):
    """An argument with the last part of each path in it, as in "name=0.5*me.jpg,12"."""
    return re.sub(r"(@?)[^,=*]*[/\\]", r"\1", word.rstrip("/\\"))


def save_png(picture, path, made_by):
    """Write a PIL picture as a PNG with a `record` in its text chunks."""
    chunks = PngImagePlugin.PngInfo()
    for name, text in made_by.items():
        chunks.add_itxt(name, text)
    with files.atomic_path(path) as temporary:
        # A sixth of the time of the usual level 6 for a seventh more bytes; faces hardly compress.
        picture.save(temporary, format="PNG", pnginfo=chunks, compress_level=1)


def save_animation(frames, path, made_by, milliseconds):
    """Write PIL pictures as `images.save_animation` does, with a `record` as the comment, one line per entry."""
    comment = "\n".join(f"{name}: {text}" for name, text in made_by.items())
    with files.atomic_path(path) as temporary:
        images.save_animation(frames, temporary, milliseconds, comment)
