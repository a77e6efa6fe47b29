"""Training data: focal series on disk, sharp images, simulated defocus, crops."""
