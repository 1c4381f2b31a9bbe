"""`python -m btcframe`: the same as the `btcframe` command."""

import sys

from btcframe.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
