"""``weighlock convert``: a checkpoint becomes a safetensors file, without torch, and nothing of it is executed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from weighlock._cli._options import format_option, output_option
from weighlock._cli._terminal import TerminalProgress, emit

if TYPE_CHECKING:
    from weighlock.convert import Choice
    from weighlock.gates.convert import Converted
    from weighlock.gates.convert_shards import ConvertedShards


@click.command("convert", short_help="Checkpoint to safetensors, torch not needed, nothing executed.")
@click.argument("file", metavar="FILE")
@click.option("-o", "target", metavar="OUT", help="The safetensors file; for an index, a folder.")
@click.option("--key", "keys", multiple=True, metavar="NAME", help="The entry that holds the tensors; repeat to go on.")
@click.option("--without", multiple=True, metavar="NAME", help="Leave out the entry of this exact name.")
@click.option("--extras", is_flag=True, help="Keep entries that are no tensors, in OUT.extras.json.")
@click.option("--untie", is_flag=True, help="Write a tensor of several names once for each name.")
@click.option("--force", is_flag=True, help="Replace files that are there.")
@format_option("text", "json")
@output_option
def command(
    *,
    file: str,
    target: str | None,
    keys: tuple[str, ...],
    without: tuple[str, ...],
    extras: bool,
    untie: bool,
    force: bool,
    kind: str,
    output: str | None,
) -> int:
    """Convert a checkpoint of torch to safetensors, bit by bit, without torch.

    FILE is a checkpoint that torch.save wrote, or the *.bin.index.json of one in several files. It is inspected first;
    one that holds more than data is not converted. Nothing of it is executed, and nothing is published before all of
    it is written.

    \b
    Exit codes: 0 converted, 1 the checkpoint is refused, 2 it could not be converted.
    """
    from weighlock.convert import Choice
    from weighlock.output.convert import convert_json, convert_text

    choice = Choice(keys=keys, without=frozenset(without), extras=extras, untie=untie)
    report = _convert(file, target, choice, force=force)
    emit((convert_json if kind == "json" else convert_text)(report), output)
    return 0


def _convert(file: str, target: str | None, choice: Choice, *, force: bool) -> Converted | ConvertedShards:
    from pathlib import Path

    from weighlock.gates.convert import convert
    from weighlock.gates.convert_shards import convert_shards, is_index

    source, output = Path(file), Path(target) if target is not None else None
    run = convert_shards if is_index(source) else convert
    with TerminalProgress() as progress:
        return run(source, output, choice, force=force, tick=progress.advance)
