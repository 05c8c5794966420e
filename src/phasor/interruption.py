"""What ends the command from outside: Ctrl-C, also while it is imported, and SIGTERM."""

import _thread
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def end_at_once_if_command() -> None:
    """Where this process is the command `phasor`, Ctrl-C ends it at once, without a traceback.

    A library that is interrupted while it is imported says all kinds of things. A program that
    imports phasor keeps what it does about Ctrl-C.
    """
    mine = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if mine and _is_command() and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def as_usual() -> None:
    """Ctrl-C raises `KeyboardInterrupt` again, and SIGTERM does too: what is open is put away.

    Where Python drops what they raise, they raise once more.
    """
    for ending in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(ending) is signal.SIG_DFL:
            signal.signal(ending, signal.default_int_handler)
    sys.unraisablehook = _interrupt_again


def _interrupt_again(lost: "sys.UnraisableHookArgs") -> None:
    """Python drops what is raised in a destructor, or while a process forks: not Ctrl-C."""
    if issubclass(lost.exc_type, KeyboardInterrupt):
        again = threading.Timer(0.05, _interrupt_main_thread)
        again.daemon = True
        again.start()
    else:
        sys.__unraisablehook__(lost)


def _interrupt_main_thread() -> None:
    """By a signal where there is one: it also ends what the main thread waits for."""
    raising = [
        ending
        for ending in (signal.SIGINT, signal.SIGTERM)
        if signal.getsignal(ending) is signal.default_int_handler
    ]
    if sys.platform == "win32" or not raising:
        _thread.interrupt_main()
    else:
        main = threading.main_thread().ident
        assert main is not None
        signal.pthread_kill(main, raising[0])


@contextmanager
def put_off() -> Iterator[None]:
    """Ctrl-C and SIGTERM take effect after the block, which is short: something is put away.

    In the main thread, the only one in which they raise.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    arrived: list[tuple[int, Any]] = []

    def note(number: int, frame: Any) -> None:
        arrived.append((number, frame))

    usual = {ending: signal.signal(ending, note) for ending in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for ending, handler in usual.items():
            signal.signal(ending, signal.SIG_DFL if handler is None else handler)
        for number, frame in arrived[:1]:
            handler = usual[signal.Signals(number)]
            if callable(handler):
                handler(number, frame)
            elif handler == signal.SIG_DFL:
                signal.raise_signal(number)


def _is_command() -> bool:
    started = sys.argv[0] if getattr(sys, "argv", None) else ""
    if started == "-m":  # as long as Python looks for the module that it is to run
        at = sys.orig_argv.index("-m") if "-m" in sys.orig_argv else len(sys.orig_argv)
        return sys.orig_argv[at + 1 : at + 2] == ["phasor"]
    return Path(started).name in ("phasor", "phasor.exe", "phasor-script.py")
