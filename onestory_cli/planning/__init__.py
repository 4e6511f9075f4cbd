"""Story -> Plan: one ShotJob per shot with every value resolved, and all findings reported before any work.

No torch, no network and no run directory: `store/reuse.py` decides which takes are reused and which shots run.
"""
