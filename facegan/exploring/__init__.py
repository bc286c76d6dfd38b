"""Exploring the latent space: formulas, directions, photographs as latents, web pages.

May import `preparing`, `metrics` and `common`.
"""
