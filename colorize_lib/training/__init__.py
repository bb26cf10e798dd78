"""Training one arm with one seed: batches, the loop, checkpoints, several processes, provenance."""
