"""Other tools' stories -> ours: text in, a commented .story.yaml and a list of what it could not say out.

Knows nothing of models and touches no file. Whatever the source holds is either in the story, kept there as a note, or
named in the report; nothing vanishes.
"""

from onestory_cli.importers.formats import FORMATS, Imported, import_story

__all__ = ["FORMATS", "Imported", "import_story"]
