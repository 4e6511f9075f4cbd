"""Render many stories, each into its run directory, with local, Ray or Slurm workers."""
