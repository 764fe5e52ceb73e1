"""The body below the clothes: skin, hair, poses and animations."""
