"""Formulas of faces: terms that are averages of faces or saved directions, each with a sign and a weight."""

import dataclasses
import re
from pathlib import Path

from facegan.common import faces
from facegan.exploring import directions

import numpy as np

_WEIGHT = re.compile(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*\*(.*)", re.DOTALL)


@dataclasses.dataclass(frozen=True)
class Term:
    """A term of a formula: the average of faces, or a direction.

    Attributes:
        sign: 1 or −1. weight: a number, 0 or more.
        name: the term's name in the picture; it may be empty.
        faces: a list of int and `Path`, or None for a direction.
        written: a direction's name or path as the user wrote it, or where `with_direction` found it; None for faces.
        direction: a `directions.Direction`, after `with_direction` or, for auto1, auto2, …, `for_generator`.
    """

    sign: int
    weight: float
    name: str
    faces: list | None = None
    written: str | None = None
    direction: directions.Direction | None = None

    @property
    def caption(self):
        weight = "" if self.weight == 1 else f"{self.weight:g} × "
        return f"{'+' if self.sign > 0 else '−'} {weight}{self.name}".strip()


def parse_term(text, sign):
    """Read "smiling_woman=92,98,99", "92,98,99", "0.5*92" or "smile", the name or path of a direction.

    Raises:
        ValueError: it is none of these.
    """
    name, equals, body = text.rpartition("=")
    if equals and not name.strip():
        raise ValueError(f"{text!r} has no name before '='; write name=92,98,99 or 92,98,99")
    match = _WEIGHT.fullmatch(body)
    weight, body = (float(match[1]), match[2].strip()) if match else (1.0, body.strip())
    is_direction = body.endswith(".npz") or "/" in body or re.fullmatch(r"[^\W\d][^,*]*", body)
    pieces = [piece.strip() for piece in body.split(",")]
    if is_direction and not any(faces.is_photograph(piece) or piece.startswith("@") for piece in pieces):
        return Term(sign, weight, name.strip() or Path(body).stem, written=body)
    return Term(sign, weight, name.strip(), faces=faces.parse(body))


def parse_strengths(text):
    """Read "-2..2" or "1.5" as (first, last).

    Raises:
        ValueError: it is neither, or beyond ±100.
    """
    first, dots, last = text.partition("..")
    try:
        bounds = float(first), float(last if dots else first)
    except ValueError:
        raise ValueError(f"{text!r} is not a range; write -2..2") from None
    if not all(abs(bound) <= 100 for bound in bounds):
        raise ValueError(f"{text!r} reaches beyond −100..100")
    return bounds


def with_direction(term, folders):
    """The term with its saved direction read; other terms are returned as they are.

    Args:
        term: a `Term`. folders: where to look for NAME.npz if what the user wrote is not the path of a file.

    Raises:
        ValueError: there is no such file, or it is not a direction.
    """
    if term.faces:
        return term
    written = Path(term.written)
    file = written if written.suffix == ".npz" else Path(f"{written}.npz")
    candidates = [written, file, *(Path(folder) / file.name for folder in folders)]
    path = next((candidate for candidate in candidates if candidate.is_file()), None)
    if path is None and directions.auto_number(term.written):
        return term
    if path is None:
        places = " or ".join(dict.fromkeys(f"{Path(folder)}/" for folder in folders))
        kinds = "faces such as 92,98,99 nor a saved direction"
        raise ValueError(f"{written}: is neither {kinds}; there is no {file.name} in {places}")
    elsewhere = path not in (written, file)
    return dataclasses.replace(term, direction=directions.read(path), written=str(path) if elsewhere else term.written)


def for_generator(term, generator):
    """The term with its unsupervised direction, if it is one, taken from the generator.

    Raises:
        ValueError: the generator has no such direction, or a saved direction belongs to another generator.
    """
    if term.written and not term.direction:
        number = directions.auto_number(term.written)
        step = directions.unsupervised(generator, number)[0][-1]
        return dataclasses.replace(term, direction=directions.Direction(step, generator.fingerprint))
    if term.direction and term.direction.fingerprint != generator.fingerprint:
        raise ValueError(
            f"{term.name}: belongs to another generator ({term.direction.fingerprint}), not to {generator.path} "
            f"({generator.fingerprint}); save it again with this one"
        )
    return term


def latents_of(term, source, generator, folder):
    """The latents that a term averages, (n, latent_dim) float32; for a direction, its step, (1, latent_dim).

    `source` is a `faces.Source`, and `folder` is passed to its `latents_of`.
    """
    if term.faces:
        return source.latents_of(term.faces, generator, folder)
    return term.direction.step[None]


def total(terms, means):
    """The sum of terms whose averages are `means`, each (latent_dim,), by sign and weight: (latent_dim,) float32."""
    weights = np.array([[term.sign * term.weight] for term in terms], np.float64)
    return (weights * means).sum(axis=0).astype(np.float32)


def change_and_base(terms, means, whole):
    """Split a formula into a change and the face that it changes.

    Args:
        terms, means: as for `total`. whole: whether the whole formula is the change.

    Returns:
        (change, base), each (latent_dim,) float32. The base is the last term if it is added and is not the only one,
        otherwise zero, the average face.
    """
    if whole or terms[-1].sign < 0 or len(terms) == 1:
        return total(terms, means), np.zeros_like(means[0])
    return total(terms[:-1], means[:-1]), total(terms[-1:], means[-1:])
