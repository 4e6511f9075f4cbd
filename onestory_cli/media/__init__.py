"""PyAV and Pillow at the edge: frames to clips, clips to a film, a film to a picture of itself."""
