"""`mpc live`: whoever moves before a camera appears in 3D, in the browser, while moving."""
