"""What every script may use: faces by number, pictures, model files, data sets, one-line errors.

Imports no other room, and neither Keras nor TensorFlow when it is imported.
"""
