"""Compute a GAN's losses by hand, compare them with Keras's, and see why G maximises log D(G(z)).

    python lessons/cross_entropy_by_hand.py

Copy with it: nothing. It needs Keras and numpy.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

# D looks at nine images, the first five real and the last four generated, and says how probably each is real.
PROBABILITIES = np.array([[0.9, 0.8, 0.7], [0.6, 0.5, 0.4], [0.3, 0.2, 0.1]])
REAL = np.array([[1, 1, 1], [1, 1, 0], [0, 0, 0]])


def main():
    print("D's probabilities that nine images are real:", PROBABILITIES, "their labels:", REAL, sep="\n")
    print("\nD's loss is the mean of -ln p where the label is 1, and of -ln(1 - p) where it is 0:")
    by_image = cross_entropy(REAL, PROBABILITIES)
    print(by_image.round(3))
    print(f"by hand {by_image.mean():.6f}, Keras {loss_by_keras(REAL, PROBABILITIES):.6f}")

    generated = PROBABILITIES[REAL == 0]
    print("\nG's loss has the same form, for its four images only, with the label that G would like, 1:")
    wanted = np.ones(len(generated))
    by_image = cross_entropy(wanted, generated)
    print(by_image.round(3))
    print(f"by hand {by_image.mean():.6f}, Keras {loss_by_keras(wanted, generated):.6f}")

    print("\nMinimising -ln D(G(z)) is maximising log D(G(z)). Goodfellow et al. 2014 begin with a G that minimises")
    print("log(1 - D(G(z))) instead. Both want a higher D(G(z)); they differ in how strongly G is pulled.")
    print("D(G(z)) is a sigmoid of D's logit, and these are the slopes of both with respect to that logit:\n")
    print("  D(G(z))   of log(1 - D(G(z)))   of -log D(G(z))")
    for probability in (0.001, 0.01, 0.1, 0.5, 0.9):
        print(f"  {probability:7.3f}   {-probability:19.3f}   {probability - 1:15.3f}")
    print("\nEarly on, D rejects nearly all that G draws: D(G(z)) is near 0. The first form then has almost no slope,")
    print("and G learns nothing exactly when it is worst. The second pulls hardest there: this is --loss bce.")


def cross_entropy(labels, probabilities):
    """The binary cross-entropy of each image: -ln of the probability that D gives to the truth."""
    return -(labels * np.log(probabilities) + (1 - labels) * np.log(1 - probabilities))


def loss_by_keras(labels, probabilities):
    """The mean of the same over all images, by Keras."""
    return float(keras.losses.BinaryCrossentropy()(labels.reshape(-1, 1), probabilities.reshape(-1, 1)))


if __name__ == "__main__":
    main()
