"""Plan -> film: `render.py` is the loop over shots, `model_generator.py` the model that it asks for each shot."""
