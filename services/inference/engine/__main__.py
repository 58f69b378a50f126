"""`python -m services.inference.engine`: load the model, serve it, end with the starter."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
import time

from services.inference.engine.config import parse_flags
from services.inference.engine.requirements import check_requirements
from services.runtime.errors import SishuError

_PARENT_POLL_SECONDS = 0.5


def main() -> int:
    """Run the engine; 0 after SIGTERM or SIGINT, 1 with one line on stderr where it cannot serve."""
    config = parse_flags(sys.argv[1:])
    threading.Thread(target=_end_with, args=(config.parent,), daemon=True).start()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        check_requirements()
        # After the watch began: these imports take seconds, and the starter may die meanwhile.
        from services.inference.engine.model import load_model  # noqa: PLC0415
        from services.inference.engine.server import serve  # noqa: PLC0415

        asyncio.run(serve(config, load_model(config)))
    except SishuError as error:
        print(f"{error.reason}: {error.message}", file=sys.stderr)
        return 1
    return 0


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_PARENT_POLL_SECONDS)
    # Nothing to save: whoever waited for an answer is gone or sees the connection close.
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
