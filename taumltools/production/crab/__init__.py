"""Production on the grid with CRAB: what decides, as pure functions; nothing here runs ``crab``."""
