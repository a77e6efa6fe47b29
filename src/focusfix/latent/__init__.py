"""Latent codes of a focal series: the line they lie on, triplets of levels, scores of paths."""
