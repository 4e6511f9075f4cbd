"""Render a plan to a film: the shot loop, the quality checks and the joined film. Torch only in `model_generator`."""
