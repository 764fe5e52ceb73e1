"""The body below the clothes: shape, skeleton, skin, hair, poses and animations."""
