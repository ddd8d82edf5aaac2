"""The process that composer.ear asks: `python -m composer.ear_process`.

Standard input has recordings, each behind its length (8 bytes, big-endian). Standard output gets lines of JSON: any
number of {"progress": 0.3}, then {"performance": ...}, {"refused": reason} for what is the recording's fault, or
{"broken": word} for what is ours. It ends as soon as standard input does, whatever it is doing then.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import traceback
from typing import IO, Any

from composer.ear import LENGTH_BYTES
from composer.errors import OpeningError, to_reason

PRIORITY = 10  # how much nicer than the batch that composes beside it


def main() -> None:
    os.nice(PRIORITY)
    # What a library prints shall not stand among the answers.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    recordings: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(sys.stdin.buffer, recordings), daemon=True).start()
    while True:
        _answer(answers, recordings.get())


def _receive(pipe: IO[bytes], recordings: queue.SimpleQueue[bytes]) -> None:
    while len(header := pipe.read(LENGTH_BYTES)) == LENGTH_BYTES:
        length = int.from_bytes(header, "big")
        recording = pipe.read(length)
        if len(recording) < length:
            break
        recordings.put(recording)
    os._exit(0)


def _answer(answers: IO[str], recording: bytes) -> None:
    def tell(**answer: Any) -> None:
        print(json.dumps(answer), file=answers)

    try:
        from composer.transcription.transcriber import transcribe  # torch, which takes seconds to come

        performance = transcribe(recording, lambda share: tell(progress=round(share, 3)))
        tell(performance=performance.to_json())
    except OpeningError as error:
        tell(refused=to_reason(error))
    except MemoryError:
        tell(broken="memory")
    except Exception as error:
        traceback.print_exc()
        tell(broken=type(error).__name__)


if __name__ == "__main__":
    main()
