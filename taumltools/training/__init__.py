"""Training: loader, networks, losses, the fit, tracking, and the trained network."""
