"""From network outputs to numbers and plots: scores, ROC curves, working points, efficiencies."""
