"""Mel power as one byte of dB per value: as the runtime keeps it."""

from runtime.codec import ARRAYS, STORED, Codec, Codes

__all__ = ["ARRAYS", "STORED", "Codec", "Codes"]
