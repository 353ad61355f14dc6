"""``python -m mint`` is the command ``mint``."""

import sys

from mint.app.cli import main

sys.exit(main())
