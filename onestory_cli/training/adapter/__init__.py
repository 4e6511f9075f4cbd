"""A memory adapter for a finished base: recipe and shots -> cached latents -> selector, conditioner and delta."""
