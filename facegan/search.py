"""Search for the direction along which an attribute of generated faces grows, and measure what else moves."""

from facegan import attributes, directions, latents

STUDIED = 1_500  # faces that a direction is fitted on
FRESH = 200  # faces that it is measured on
FIRST_FRESH = 1_000_001  # no one looks at faces of such numbers
STRENGTHS = (-2, -1, 0, 1, 2)


class Finding:
    """A direction found.

    Attributes:
        step: (latent_dim,) float32, what strength 1 adds.
        explained: share of the attribute's variation on fresh faces that this direction accounts for.
        moved: a dictionary from each attribute to its mean on the fresh faces at each of `STRENGTHS`, as its change
            from strength 0 in standard deviations.
    """

    def __init__(self, generator, name, label=None):
        """Study generated faces.

        Args:
            generator: a `runs.Generator`. name: of `attributes.MEASURED`, or of the label. label: an
                `attributes.Label` that measures it instead of the landmarks, or None.

        Raises:
            ValueError: the attribute does not follow the latents.
        """
        self.name = name
        self._measure = lambda pixels: measured(pixels, name, label)
        points = latents.latents_of_faces(range(1, STUDIED + 1), generator.latent_dim, generator.distribution)
        self.step = directions.fit(points, self._measure(generator.draw(points))[name])
        self._measure_fresh(generator)
        if self.explained < directions.FEWEST_EXPLAINED:
            raise ValueError(f"follows no direction: the best one accounts for {self.explained:.1%} of its variation")

    def _measure_fresh(self, generator):
        numbers = range(FIRST_FRESH, FIRST_FRESH + FRESH)
        points = latents.latents_of_faces(numbers, generator.latent_dim, generator.distribution)
        values = [self._measure(generator.draw(points + strength * self.step)) for strength in STRENGTHS]
        plain = values[STRENGTHS.index(0)]
        self.explained = directions.explained(self.step, points, plain[self.name])
        self.moved = {
            name: [float((value[name] - plain[name]).mean() / plain[name].std()) for value in values] for name in plain
        }

    def table(self):
        """The measurements as lines of text, the attribute itself first."""
        lines = [
            f"{self.name}: this direction accounts for {self.explained:.0%} of its variation over {FRESH} fresh faces.",
            "Mean change in standard deviations, by strength:",
            " " * 14 + "".join(f"{strength:+8d}" if strength else f"{0:8d}" for strength in STRENGTHS),
        ]
        names = sorted(self.moved, key=lambda name: name != self.name)
        return lines + [f"  {name:12}" + "".join(f"{value:+8.2f}" for value in self.moved[name]) for name in names]


def measured(pixels, name, label):
    """All attributes of images, with `name` by the label's reading where there is one: a dictionary to (n,)."""
    values = attributes.measure(pixels)
    if label is not None:
        values[name] = label.measure(pixels)
    return values
