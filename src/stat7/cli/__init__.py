"""The command line: `stat7 COMMAND`, see product overview in README.md. Only the command asked for is loaded."""

from stat7.cli.app import main

__all__ = ["main"]
