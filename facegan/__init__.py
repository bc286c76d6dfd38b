"""Train a face generator and explore its latent space: five rooms, of which each says what it is for."""
