"""`mpc doctor`."""

from __future__ import annotations

import click


@click.command()
def doctor() -> None:
    """Say what works on this machine, why not, and what to install. Exit status 3 when a needed part is missing."""
    from .machine import examine_machine

    checks = examine_machine()
    width = max(len(check.name) for check in checks)
    for check in checks:
        click.echo(
            f"{'ok  ' if check.works else 'MISS' if check.needed else 'no  '} {check.name:<{width}}  {check.detail}"
        )
        if check.advice:
            click.echo(f"     {'':<{width}}  -> {check.advice}")
    if any(check.needed and not check.works for check in checks):
        raise click.exceptions.Exit(3)
