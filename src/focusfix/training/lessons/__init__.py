"""Lessons: one module for each family of objectives, and the table that names them."""
