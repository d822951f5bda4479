"""Features: what the network sees, from TauTuple to flat HDF5 tuples, and its scaling."""
