"""``python -m mint`` is the command ``mint``."""

import sys

from mint.cli import main

sys.exit(main())
