"""What touches the world: one technology, one file."""
