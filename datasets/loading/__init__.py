"""Load shards for training: the torch dataset, its points, and changes to its pictures."""
