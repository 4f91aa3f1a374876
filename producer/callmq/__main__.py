"""``python -m callmq`` is the command ``callmq``."""

import sys

from callmq.cli import main

sys.exit(main())
