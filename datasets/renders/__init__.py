"""Draw scenes into a renders folder: settings, pictures, layers, and the format of the folder."""
