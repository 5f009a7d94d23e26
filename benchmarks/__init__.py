"""Measurements of what must stay fast; ``script/bench`` runs them."""
