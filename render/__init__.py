"""Light, radiance transfer, the two renderers, layers."""
