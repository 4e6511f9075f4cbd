"""Reports of a run: the memory of each shot as text, JSON, HTML page, contact sheet, Markdown and JUnit."""
