"""Stop between two steps when the user or the system asks for it."""

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """While open, SIGINT and SIGTERM are noted instead of acted upon; a second one acts at once.

    A step that is cut short leaves weights that belong to no step; so the loop asks for
    :attr:`requested` between steps, saves, and then calls :meth:`act`.
    """

    def __init__(self) -> None:
        self.requested: int | None = None
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for each in _SIGNALS:
                self._before[each] = signal.signal(each, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for each, handler in self._before.items():
            signal.signal(each, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - as given
        if self.requested is not None:
            self.act()
        self.requested = number

    def act(self) -> None:
        """Do what the signal asked for.

        Raises
        ------
        KeyboardInterrupt
            After SIGINT.
        SystemExit
            With code 143, after SIGTERM.
        """
        if self.requested == signal.SIGTERM:
            raise SystemExit(143)
        if self.requested is not None:
            raise KeyboardInterrupt
