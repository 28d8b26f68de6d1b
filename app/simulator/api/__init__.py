"""What the simulated Recall answers."""
