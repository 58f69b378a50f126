"""Checkpoints in the bucket, from which any worker can go on."""
