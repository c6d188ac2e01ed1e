"""Makes the network that `extractor` ships. The only package that imports TensorFlow."""
