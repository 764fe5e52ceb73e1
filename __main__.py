"""`python -m mpc` is the `mpc` command."""

from .cli.main import main

if __name__ == "__main__":
    main()
