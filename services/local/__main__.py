"""The supervisor of the stack, in the foreground: `python -m services.local --home DIR`.

`sishu up` adds `--detach`, which returns at once and leaves the supervisor running by itself.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from pathlib import Path

from services.local import lock
from services.local.config import read_launch
from services.local.logs import rotate_if_large
from services.local.processes import detach
from services.local.stack import prepare_home
from services.local.status import file_errors
from services.local.supervisor import supervise
from services.runtime.errors import SishuError
from services.runtime.logs import configure_logs


def main() -> int:
    """Take the lock of the state directory, and run the stack until SIGTERM or SIGINT."""
    arguments = parse_arguments()
    try:
        with file_errors(arguments.home):
            home = prepare_home(arguments.home)
            launch = read_launch(home, os.environ, arguments.rooms)
            held = lock.acquire(home)
    except SishuError as error:
        print(f"sishu: {error.message}", file=sys.stderr)
        return 1
    if arguments.detach:
        log = home / "logs" / "supervisor.log"
        rotate_if_large(log)
        if not detach(log):
            return 0
        os.chdir(home)
    os.umask(0o077)
    lock.write_holder(held)
    configure_logs("supervisor", launch.config.log_level)
    return asyncio.run(supervise(launch, held))


def parse_arguments() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m services.local", description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="state directory")
    parser.add_argument("--rooms", type=json.loads, help="JSON object: command line by room")
    parser.add_argument("--detach", action="store_true", help="go on in the background")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
