"""What a model is: a stock diffusers base and a memory adapter."""
