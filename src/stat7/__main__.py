"""`python -m stat7` is the `stat7` command."""

from stat7.cli import main

if __name__ == "__main__":
    main()
