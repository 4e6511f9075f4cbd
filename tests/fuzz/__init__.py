"""A coverage-guided fuzzer of the story reader: `python -m tests.fuzz`. Its corpus is replayed by the tests."""
