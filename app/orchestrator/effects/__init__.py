"""What each command does in the world."""
