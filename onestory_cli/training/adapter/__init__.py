"""Train a memory adapter for an existing base: recipe and shots -> cached latents -> selector, conditioner, delta."""
