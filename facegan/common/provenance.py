"""Pictures that record how they were made (command, model, faces), so that they can be made again."""

import shlex
import sys
from pathlib import Path

from facegan.common import files, images

from PIL import PngImagePlugin


def record(generator, faces):
    """Record how a picture is made: the command line of this process, the generator and the faces.

    Args:
        generator: a `generators.Generator`.
        faces: the faces drawn, numbers or strings.

    Returns:
        A dictionary of strings: "Software", "command", "model" (the file's name), "fingerprint" (that file's), "faces".
    """
    return {
        "Software": "facegan",
        "command": shlex.join(["python", Path(sys.argv[0]).name, *sys.argv[1:]]),
        "model": Path(generator.path).name,
        "fingerprint": generator.fingerprint,
        "faces": ",".join(str(face) for face in faces),
    }


def save_png(picture, path, made_by):
    """Write a PIL picture as a PNG with a `record` in its text chunks."""
    chunks = PngImagePlugin.PngInfo()
    for name, text in made_by.items():
        chunks.add_itxt(name, text)
    with files.atomic_path(path) as temporary:
        picture.save(temporary, format="PNG", pnginfo=chunks)


def save_animation(frames, path, made_by, milliseconds):
    """Write PIL pictures as `images.save_animation` does, with a `record` as the comment, one line per entry."""
    comment = "\n".join(f"{name}: {text}" for name, text in made_by.items())
    with files.atomic_path(path) as temporary:
        images.save_animation(frames, temporary, milliseconds, comment)
