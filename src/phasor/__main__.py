"""Entry of the `phasor` command; says what to install where its extra is missing."""

import io
import os
import sys


def main() -> None:
    """Run the command."""
    _open_output()
    try:
        import phasor
        from phasor.installation import another_phasor

        if not hasattr(phasor, "__version__"):
            # Another distribution has put its own __init__ in place of ours.
            sys.exit(another_phasor() or "phasor is not installed whole; install it again")
        from phasor.cli import app
        from phasor.interruption import as_usual

        as_usual()
        try:
            app()
        finally:
            sys.stdout.flush()
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # Whoever reads it has seen enough.
        _give_up_output()
        sys.exit(1)
    except OSError as error:
        # Verbs say what is wrong with the files that they read and write; left is what they print.
        _give_up_output()
        where = error.filename or "the output cannot be written"
        sys.exit(f"Error: {where}: {error.strerror or error}")
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("phasor"):
            raise
        from phasor.installation import how_to_get

        module = error.name.partition(".")[0]
        sys.exit(f"the phasor command needs {module}, which is not installed: {how_to_get(module)}")


def _open_output() -> None:
    """Somewhere to write to also where the output is closed or cannot encode what is written."""
    while (lowest := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(lowest, True)
    os.close(lowest)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _give_up_output() -> None:
    """Without the complaint, when Python ends, that its buffer cannot be written."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, sys.stdout.fileno())
    os.close(nothing)


if __name__ == "__main__":
    main()
