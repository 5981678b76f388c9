"""Drives stages: batching, worker processes, order, durability. It knows ports only."""
