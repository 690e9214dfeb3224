"""Prove in a real browser that a bundle predicts what its source predicts."""
