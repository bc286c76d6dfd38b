"""Pictures that carry what made them, so that they can be made again: command, model, numbers of the faces."""

import shlex
import sys
from pathlib import Path

from PIL import PngImagePlugin

from facegan import files, images


def record(generator, faces):
    """What makes a picture: the command line of this process and the generator.

    Args:
        generator: a `runs.Generator`.
        faces: texts or numbers of the faces drawn.

    Returns:
        A dictionary of texts: "command", "model" (its file's name), "fingerprint" (of that file), "faces".
    """
    return {
        "Software": "facegan",
        "command": shlex.join(["python", Path(sys.argv[0]).name, *sys.argv[1:]]),
        "model": Path(generator.path).name,
        "fingerprint": generator.fingerprint,
        "faces": ",".join(str(face) for face in faces),
    }


def save_png(picture, path, made_by):
    """Write a PIL picture as a PNG whose text chunks are a `record`."""
    chunks = PngImagePlugin.PngInfo()
    for name, text in made_by.items():
        chunks.add_itxt(name, text)
    with files.whole_path(path) as temporary:
        picture.save(temporary, format="PNG", pnginfo=chunks)


def save_gif(frames, path, made_by, milliseconds):
    """Write PIL pictures as a GIF whose comment is a `record`, a line an entry."""
    comment = "\n".join(f"{name}: {text}" for name, text in made_by.items())
    with files.whole_path(path) as temporary:
        images.save_gif(frames, temporary, milliseconds, comment)
