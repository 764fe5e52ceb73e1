"""Sample rendered scenes and pack them into HDF5 shards: settings, plan, format, split, reader and verifier."""
