"""Language server for `.story.yaml`: diagnostics, completion, hover, definition, references, rename, code actions."""
