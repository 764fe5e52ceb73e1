"""Environments as spherical harmonics: skies, interiors, panoramas, exposure and shading."""
