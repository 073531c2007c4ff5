"""Cell representations: fit on training cells, transform anything."""
