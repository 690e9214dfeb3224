"""How each peer gets from a .keras file to its own format: scripts, measured from start to end."""
