"""What every script may use: faces by number, pictures, model files, data sets, one-line errors.

Imports no other room. Importing it does not load Keras or TensorFlow.
"""
