"""In the place of composer.ear_process: what it makes of a recording stands in the recording itself, as JSON.

    {"share": [0.1, 0.5], "answer": {"performance": ...}}    says how far it is, then answers
    {"sleep": 60}                                            takes so long
    {"die": 9}                                               ends by that signal
    {"say": "nonsense"}                                      says something that is no JSON

Each answer but "nonsense" tells beside it by which process it was given.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from queue import SimpleQueue

from composer.ear import LENGTH_BYTES


def receive(recordings: SimpleQueue[bytes]) -> None:
    while header := sys.stdin.buffer.read(LENGTH_BYTES):
        recordings.put(sys.stdin.buffer.read(int.from_bytes(header, "big")))
    os._exit(0)


def tell(**answer: object) -> None:
    print(json.dumps(answer), flush=True)


def main() -> None:
    recordings: SimpleQueue[bytes] = SimpleQueue()
    threading.Thread(target=receive, args=(recordings,), daemon=True).start()
    while True:
        wanted = json.loads(recordings.get())
        for share in wanted.get("share", ()):
            tell(progress=share)
        if "die" in wanted:
            os.kill(os.getpid(), wanted["die"])
        if "say" in wanted:
            print(wanted["say"], flush=True)
        time.sleep(wanted.get("sleep", 0))
        tell(**wanted.get("answer", {"performance": {"pid": os.getpid()}}))


if __name__ == "__main__":
    main()
