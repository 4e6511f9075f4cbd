"""`python -m onestory_cli` is `onestory`."""

from onestory_cli.cli import main

main()
