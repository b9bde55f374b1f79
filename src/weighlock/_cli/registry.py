"""``weighlock registry``: the issuer of tokens for a registry of containers."""

from __future__ import annotations

import os
import sys

import click

from weighlock._cli._options import output_option
from weighlock._cli._terminal import emit, require_place

_config = click.option("--config", "path", required=True, metavar="FILE", help="The configuration (TOML).")


@click.group("registry", short_help="Issue the tokens of a registry of containers: the promotion gate before it.")
def command() -> None:
    """Issue the tokens of an unmodified registry of containers, so that a stage holds what was promoted alone.

    docs/oci-gate.md says how the registry is configured, and what is in the configuration.
    """


@command.command("serve", short_help="Serve tokens and promotions.")
@_config
def serve(*, path: str) -> int:
    """Serve tokens and promotions until this process is told to end.

    \b
    Exit codes: 0 ended, 2 it cannot be started.
    """
    from weighlock.registry.oci.config import read_config
    from weighlock.registry.oci.serve import serve as run

    run(read_config(path), os.environ)
    return 0


@command.command("check-config", short_help="Say whether the configuration can be served.")
@_config
def check_config(*, path: str) -> int:
    """Read the configuration and everything that it names, and say who may do what. No server is asked.

    \b
    Exit codes: 0 it can be served, 2 it cannot.
    """
    from weighlock.output.registry import render_config
    from weighlock.registry.oci.config import read_config
    from weighlock.registry.oci.serve import open_issuer

    config = read_config(path)
    open_issuer(config, os.environ)
    emit(render_config(config), None)
    return 0


@command.command("hash-password", short_help="Hash a password for the configuration.")
def hash_password() -> int:
    """Read a password, from the terminal or from standard input, and print what stands for it in the configuration.

    \b
    Exit codes: 0 printed, 2 there was none.
    """
    from weighlock.errors import UsageError
    from weighlock.registry.oci.passwords import hash_password as hashed

    if sys.stdin is not None and sys.stdin.isatty():
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        password = sys.stdin.readline(2048).rstrip("\r\n") if sys.stdin is not None else ""
    if not password:
        raise UsageError("there is no password", hint="type one, or pipe a line into this command")
    click.echo(hashed(password))
    return 0


@command.command("new-key", short_help="Make the key that signs tokens.")
@click.argument("file", metavar="FILE", type=click.Path(dir_okay=False))
@click.option("--name", default="weighlock", metavar="NAME", help="That its certificate has.")
def new_key(*, file: str, name: str) -> int:
    """Make a key on P-256 with a certificate for ten years, and write both to FILE, for its owner alone.

    \b
    Exit codes: 0 written, 2 there is a file, or it cannot be written.
    """
    from weighlock.registry.oci.keys import new_key as make

    make(file, name)
    click.echo(f"{file}: keep it secret; `weighlock registry config` prints the part for the registry", err=True)
    return 0


@command.command("config", short_help="Print what the registry has to be configured with.")
@_config
@click.option("--bundle", is_flag=True, help="Print the file with the certificate, instead of the table that names it.")
@click.option(
    "--place",
    default="/etc/docker/registry/issuer.crt",
    metavar="FILE",
    help="Where the registry finds that file.",
)
@output_option
def config(*, path: str, bundle: bool, place: str, output: str | None) -> int:
    """Print the table `auth` for the config.yml of the registry, or the certificate that it names.

    \b
    Exit codes: 0 printed, 2 the configuration or the key cannot be read.
    """
    from weighlock.output.registry import render_auth
    from weighlock.registry.oci.config import read_config
    from weighlock.registry.oci.keys import read_key

    require_place(output)
    read = read_config(path)
    emit(read_key(read.key).bundle().decode() if bundle else render_auth(read, place), output)
    return 0
