"""Labelled recordings: where they come from, what they are, and their spectrograms."""
