"""Contrastive alignment of cell states with marker proteins."""
