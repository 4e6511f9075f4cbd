"""The response times of the pages, of `review` and `watch` and of the language server, on the embedded model."""
