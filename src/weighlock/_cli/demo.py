"""``weighlock demo``: the whole story on real files, on this machine alone."""

from __future__ import annotations

import click

from weighlock._cli._terminal import takes_color


@click.command("demo", short_help="Show the whole story on real files, on this machine alone.")
@click.option("--keep", is_flag=True, help="Leave the folder with the files, and say where it is.")
def command(*, keep: bool) -> int:
    """Lock, attack and load real small models, and install packages of real attacks, without and with weighlock.

    It needs no network and nothing of yours: a Hub and package indexes on this machine serve what the installed
    libraries and the demonstration write, and everything lies in a temporary folder that is removed in the end. What
    is malicious creates a file there and does nothing else. It takes less than a minute.

    \b
    Exit codes: 0 everything came out as it should, 1 something did not, 2 it could not be played.
    """
    from weighlock.demo.screen import Screen
    from weighlock.demo.stage import Stage
    from weighlock.demo.story import Story

    with Stage(keep=keep) as stage:
        good = Story(stage, Screen(color=takes_color())).play()
        if keep:
            click.echo(f"The files are in {stage.folder}")
    return 0 if good else 1
