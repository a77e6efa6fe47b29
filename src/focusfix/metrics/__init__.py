"""Figures of merit: what is measured in images, apart from how they are made."""
