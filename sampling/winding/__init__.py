"""The generalized winding number: orientation, signed crossings of rays and the boundary's term."""
