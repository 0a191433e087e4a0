"""Who reads what, when, and from where it goes on: epochs, ranks, workers, loader, samplers, states."""
