"""Story -> Plan: one ShotJob per shot, every value resolved, all findings reported before any work.

No torch, no network and no run directory: `store/reuse.py` decides what is kept and what must run.
"""
