"""One file per command: flags in, one library call, result to the screen. Only these modules read the environment."""
