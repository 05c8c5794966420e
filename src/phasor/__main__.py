"""Entry of the `phasor` command; says what to install where its extra is missing."""

import os
import sys


def main() -> None:
    """Run the command."""
    try:
        from phasor.cli import app

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
        sys.exit(
            f"the phasor command needs {error.name}, which comes with an extra: "
            "pip install 'phasor[lab]'"
        )


def _give_up_output() -> None:
    """Without the complaint, when Python ends, that its buffer cannot be written."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, sys.stdout.fileno())
    os.close(nothing)


if __name__ == "__main__":
    main()
