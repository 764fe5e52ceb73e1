"""`python -m mpc` is the `mpc` command."""

from mpc.cli.main import main

if __name__ == "__main__":
    main()
