"""Evaluation: scores of recordings, what they amount to, and the tables and figures that say so."""
