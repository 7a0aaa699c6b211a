"""`python -m coconet` is the command `coconet`."""

import sys

from coconet.cli import main

if __name__ == "__main__":
    sys.exit(main())
