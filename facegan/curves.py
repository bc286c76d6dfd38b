"""Curves that are drawn under a strip of faces. matplotlib."""

import io

import numpy
from PIL import Image

HEIGHT = 180  # pixels
DOTS_PER_INCH = 100


def lengths(paths, width):
    """Draw how long the latents of each path are, step by step.

    A straight line between two latents dips in the middle to lengths that the generator never saw in training; a
    great circle does not. That is what one sees here.

    Args:
        paths: a dictionary from a name to latents (n, latent_dim). width: of the picture in pixels.

    Returns:
        A PIL image, mode "RGB".
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(max(width, 320) / DOTS_PER_INCH, HEIGHT / DOTS_PER_INCH), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for name, path in paths.items():
        axes.plot(numpy.arange(1, len(path) + 1), numpy.linalg.norm(path, axis=1), marker=".", label=name)
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("step", fontsize=8)
    axes.set_ylabel("length of the latent", fontsize=8)
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right", fontsize=8)
    memory = io.BytesIO()
    figure.savefig(memory, dpi=DOTS_PER_INCH)
    return Image.open(memory).convert("RGB")
