"""`python -m featdsl.cli` is `feat`."""

import sys

from featdsl.cli.main import main

sys.exit(main())
