"""Export films: timelines for editors, subtitles, frames, ProRes, GIF and WebP."""
