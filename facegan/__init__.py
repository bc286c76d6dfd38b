"""Train a face generator and explore its latent space; README.md says what each module is."""
