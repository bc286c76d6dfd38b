"""How far generated faces are from real ones, in a few figures, without a download."""

from facegan.distances import frechet_distance, kernel_distance
from facegan.face_features import face_features, face_scores

__all__ = ["face_features", "face_scores", "frechet_distance", "kernel_distance"]
