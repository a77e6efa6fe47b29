"""Restoration without learning: deconvolution by a known lens, sharpening, fusion of a stack."""
