"""Reading and writing images, checkpoints and weights; planning of batches of files."""
