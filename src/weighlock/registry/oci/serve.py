"""Making an issuer from its configuration, and serving it."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weighlock.errors import PolicyError, UnsupportedError, WeighlockError
from weighlock.gates.deciding import open_decider
from weighlock.gates.load_settings import find_policy
from weighlock.gates.promoted import stage_of
from weighlock.gates.quarantined import open_quarantine
from weighlock.promotion_policy import folded
from weighlock.registry.oci.app import LARGEST_BODY, App
from weighlock.registry.oci.gate import OciGate
from weighlock.registry.oci.issuer import GATE, Issuer, mint
from weighlock.registry.oci.keys import read_key
from weighlock.registry.oci.own import OwnRegistry
from weighlock.registry.oci.passwords import Door
from weighlock.registry.oci.scopes import is_tag
from weighlock.registry.oci.state import State

if TYPE_CHECKING:
    from collections.abc import Mapping

    from weighlock.registry.oci.config import Config

_THREADS = 16
_CONNECTIONS = 200
_SECONDS = 60
_LARGEST_HEADERS = 1 << 15


def open_issuer(config: Config, environ: Mapping[str, str]) -> Issuer:
    """Make an issuer.

    Args:
        config: Of it.
        environ: Says where the ledger is, and the policy where the configuration does not.

    Raises:
        WeighlockError: A file cannot be read, there is nobody whose summaries count, or a stage is not in the policy.
    """
    named = {} if config.policy is None else {"WEIGHLOCK_POLICY": config.policy}
    policy, place = find_policy({**environ, **named})
    for rule in config.rules:
        if rule.stage is not None:
            name = stage_of(policy, rule.stage).name
            if folded(name) != folded(rule.stage):
                raise PolicyError(f"is the stage {name!r}, and has to be called so", where=f"{rule.pattern}: stage")
            if not is_tag(folded(name)):
                raise PolicyError(f"{name!r} cannot be a tag", where=f"{rule.pattern}: stage")
    key, state = read_key(config.key), State(config.state)
    registry = OwnRegistry(
        config.host,
        config.registry,
        lambda scopes: mint(config, key, scopes),
        state.note,
        allow_http=config.allow_http,
    )
    gate = OciGate(
        host=config.host,
        policy=policy,
        policy_path=place,
        quarantine=open_quarantine(environ, policy, place),
        registry=registry,
        state=state,
        waiting=Path(f"{config.key}.waiting"),
    )
    decider = open_decider(GATE, policy, place, environ)
    return Issuer(config, key, Door(config.users), gate, decider)


def serve(config: Config, environ: Mapping[str, str]) -> None:
    """Serve an issuer until this process is told to end.

    Raises:
        WeighlockError: It cannot be started.
    """
    issuer = open_issuer(config, environ)
    server = make_server(App(issuer), config)
    host, port = config.listen[0], server.effective_port
    sys.stderr.write(f"weighlock: tokens for {config.service} at http://{host}:{port}/token\n")
    sys.stderr.flush()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        server.run()
    finally:
        server.close()
        issuer.close()


def make_server(app: App, config: Config) -> Any:
    """Return a server that listens, and answers when it is run.

    Raises:
        WeighlockError: The address is taken, or nobody's.
        UnsupportedError: A library is missing.
    """
    try:
        import waitress
    except ImportError:
        hint = 'install it with `pip install "weighlock[registry]"`'
        raise UnsupportedError("waitress is not installed", hint=hint) from None
    proxy: dict[str, Any] = (
        {"trusted_proxy": "*", "trusted_proxy_headers": "x-forwarded-for"} if config.behind_proxy else {}
    )
    try:
        return waitress.create_server(
            app,
            host=config.listen[0],
            port=config.listen[1],
            threads=_THREADS,
            connection_limit=_CONNECTIONS,
            channel_timeout=_SECONDS,
            max_request_header_size=_LARGEST_HEADERS,
            max_request_body_size=LARGEST_BODY,
            clear_untrusted_proxy_headers=True,
            ident="weighlock",
            **proxy,
        )
    except OSError as error:
        raise WeighlockError(f"cannot listen: {error.strerror}", where=":".join(map(str, config.listen))) from error
