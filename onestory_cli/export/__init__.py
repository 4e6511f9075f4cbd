"""Hand-off: a run directory as what an editor, a player or a web page takes."""
