"""Learning: the loop, the batches that it draws, and what is done to them on the way."""
