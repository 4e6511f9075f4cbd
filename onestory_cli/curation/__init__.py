"""Footage -> a training manifest: shots with referential captions and relevance labels (OneStory, section 3).

`run.py` is the line through the stages: cuts, captions, rewritten captions, relevance. A stage is a pure function of
the file's digest, the settings and the model; its results are kept in `SET/stages/`, so a second run does only what
changed. Filters and the manifest are computed from those results each time.
"""
