"""Formulas of faces on the command line: terms that are averages of faces or saved directions, with a weight."""

import dataclasses
import re
from pathlib import Path

import numpy

from facegan import commands, directions, faces, latents

_WEIGHT = re.compile(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*\*(.*)", re.DOTALL)


@dataclasses.dataclass(frozen=True)
class Term:
    """A term: its sign, 1 or −1, its weight, and faces whose latents are averaged or else a saved direction.

    Attributes:
        name: what stands in the picture; may be empty.
        faces: list, or None for a direction. direction: what was written for it, later a `directions.Direction`.
    """

    sign: int
    weight: float
    name: str
    faces: list | None = None
    direction: object = None

    @property
    def option(self):
        return "--plus" if self.sign > 0 else "--minus"

    @property
    def caption(self):
        weight = "" if self.weight == 1 else f"{self.weight:g} × "
        return f"{'+' if self.sign > 0 else '−'} {weight}{self.name}".strip()


def parse_term(text, sign):
    """Read "smiling_woman=92,98,99", "92,98,99", "0.5*92" or "smile", the name or path of a saved direction.

    Raises:
        ValueError: in one line, what is wrong with it.
    """
    name, equals, body = text.rpartition("=")
    if equals and not name.strip():
        raise ValueError(f"{text!r} has no name before '='; write name=92,98,99 or 92,98,99")
    match = _WEIGHT.fullmatch(body)
    weight, body = (float(match[1]), match[2].strip()) if match else (1.0, body.strip())
    named = body.endswith(".npz") or "/" in body or re.fullmatch(r"[^\W\d][^,*]*", body)
    if named and not faces.is_photograph(body):
        return Term(sign, weight, name.strip() or Path(body).stem, direction=body)
    return Term(sign, weight, name.strip(), faces=faces.parse(body))


def parse_strengths(text):
    """Read "-2..2" or "1.5" as (first, last)."""
    first, dots, last = text.partition("..")
    try:
        bounds = float(first), float(last if dots else first)
    except ValueError:
        raise ValueError(f"{text!r} is no range; write -2..2") from None
    if not all(abs(bound) <= 100 for bound in bounds):
        raise ValueError(f"{text!r} reaches beyond −100..100")
    return bounds


def with_directions(terms, folders):
    """Read the saved directions that terms name: a file, or with .npz added a file in one of the folders.

    Raises:
        UserError: there is none of that name, or it is no direction.
    """
    return [term if term.faces else dataclasses.replace(term, direction=_read(term, folders)) for term in terms]


def _read(term, folders):
    written = Path(term.direction)
    candidates = [written, Path(f"{written}.npz"), *(Path(folder) / f"{written.name}.npz" for folder in folders)]
    path = next((candidate for candidate in candidates if candidate.is_file()), None)
    if path is None:
        raise commands.UserError(
            f"{term.option} {written}: is neither a list of faces such as 92,98,99 nor a saved direction; "
            "--save-direction writes one"
        )
    try:
        return directions.read(path)
    except ValueError as error:
        raise commands.UserError(f"{term.option} {path}: {error}") from None


def check_directions(terms, generator):
    """Raise UserError where a saved direction belongs to another generator."""
    for term in terms:
        if not term.faces and term.direction.fingerprint != generator.fingerprint:
            raise commands.UserError(
                f"{term.option} {term.name}: was found with another generator ({term.direction.fingerprint}); "
                f"{generator.path} is {generator.fingerprint}; find it again with --find-direction"
            )


def latents_of(term, source, generator, folder):
    """The latents that a term averages: (n, latent_dim) float32, of a direction its one step.

    `source` and `folder` as for `faces.Source.latents_of`.
    """
    if term.faces:
        return source.latents_of(term.faces, generator, folder)
    return term.direction.step[None]


def total(terms, means):
    """The sum of terms whose averages are `means`, each (latent_dim,), by sign and weight: (latent_dim,) float32."""
    weighted = [numpy.float64(term.weight) * mean for term, mean in zip(terms, means, strict=True)]
    plus = [mean for term, mean in zip(terms, weighted, strict=True) if term.sign > 0]
    minus = [mean for term, mean in zip(terms, weighted, strict=True) if term.sign < 0]
    if not plus:
        return -latents.combine(minus, [])
    return latents.combine(plus, minus)


def change_and_base(terms, means, whole):
    """Split a formula into a change and the face it is applied to.

    Args:
        terms, means: as for `total`. whole: whether all of it is the change.

    Returns:
        (change, base), each (latent_dim,) float32. The base is the last term where that is added and not the only one,
        else zero, the average face.
    """
    if whole or terms[-1].sign < 0 or len(terms) == 1:
        return total(terms, means), numpy.zeros_like(means[0])
    return total(terms[:-1], means[:-1]), total(terms[-1:], means[-1:])
