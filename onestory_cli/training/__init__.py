"""The trainer: recipe -> weights. Stages vae, base and adapter share one loop and one checkpoint format."""
