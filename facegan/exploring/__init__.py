"""More than drawing: formulas, directions, photographs in the latent space, web pages.

May import `preparing`, `metrics` and `common`.
"""
