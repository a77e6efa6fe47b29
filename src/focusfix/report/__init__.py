"""Figures and tables made of results."""
