"""Entry of the `phasor` command; says what to install where its extra is missing."""

import sys


def main() -> None:
    """Run the command."""
    try:
        from phasor.cli import app

        app()
    except KeyboardInterrupt:
        sys.exit(130)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("phasor"):
            raise
        sys.exit(
            f"the phasor command needs {error.name}, which comes with an extra: "
            "pip install 'phasor[lab]'"
        )


if __name__ == "__main__":
    main()
