"""Meshes, cameras, rays, closest points."""
