"""Train a face generator and explore its latent space: in five rooms, each described in its `__init__.py`."""
