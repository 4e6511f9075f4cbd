"""Many stories -> many run directories. Whoever does the work, a film is `render_story` of its directory."""
