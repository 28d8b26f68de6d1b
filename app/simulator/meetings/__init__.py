"""What is said in the simulated meetings."""
