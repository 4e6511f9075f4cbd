"""Text -> Story: the screenplay as the author wrote it, checked and typed. Knows no model and no tensor."""
