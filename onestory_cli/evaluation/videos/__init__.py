"""Measure films: run directories or folders of clips. Networks are never downloaded implicitly."""
