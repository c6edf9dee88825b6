"""Beats and downbeats: the network, how it learns from the orchestra, and how beats are measured."""
