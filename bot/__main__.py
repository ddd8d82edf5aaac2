"""`segue bot` and `segue doctor`. Exit status 0; 2 with a sentence on stderr for whatever has to be mended.

The rest is imported where it is used: a child process of bot.children imports this file, and needs none of it.
"""

from __future__ import annotations

import asyncio
import sys


def main() -> None:
    from bot.doctor import examine
    from bot.serve import serve
    from bot.settings import load_settings
    from composer.errors import SegueError

    try:
        if sys.argv[1:] == ["doctor"]:
            sys.exit(asyncio.run(examine()))
        asyncio.run(serve(load_settings()))
    except SegueError as error:
        print(f"segue: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
