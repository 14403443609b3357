"""Ctrl-C in the middle of a training."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def interrupts_noted() -> Iterator[threading.Event]:
    """Ctrl-C sets an event, so that a training stops where its state can be saved.

    In the middle of a step some weights would be of the next one, and between two looks at the
    losses a part of the log would be lost: that takes at most twenty steps. Outside of the main
    thread signals cannot be caught, and the event is never set. A second Ctrl-C stops at once.
    """
    noted = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield noted
        return

    def note(number: int, frame: object) -> None:
        if noted.is_set():
            raise KeyboardInterrupt
        noted.set()
        print("\nsaving; Ctrl-C again stops at once", file=sys.stderr)

    before = signal.signal(signal.SIGINT, note)
    try:
        yield noted
    finally:
        signal.signal(signal.SIGINT, before)
