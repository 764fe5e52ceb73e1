"""MakeHuman's body: base mesh, morphs, skeleton and weights, joints and how far they move."""
