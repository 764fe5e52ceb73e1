"""mpc: training data, networks and metrics for clothed people rebuilt from one picture. Holds the version alone."""

__version__ = "0.1.0"
