"""Lifts a definitions tree to a later format, text to text: one module a step, none of them knows of any other."""
