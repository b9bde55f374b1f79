"""Commands that are called like those of the system.

## What it does

It refuses a wheel that installs a command under the name of one that people and scripts take for granted: shells, the
basic tools of POSIX systems and Windows, interpreters and compilers, ``pip``, ``sudo``, ``git``, ``ssh`` and the like,
whatever way it gets into the folder for scripts. A project may bring the command of its own name.

## Why it matters

In an active environment the folder for scripts comes first in PATH, so that from then on every ``ls`` or ``git`` of a
person or a script runs the package's code.

## Known limits

The list is one of names: around 250 of them, in this check's file. Tools that people install from PyPI in several
projects, such as ``node`` or ``aws``, are not on it.

## Sources

GNU coreutils, POSIX.1-2024, the base systems of Debian and macOS. Besides pip no wheel of 396 popular ones, with 269
commands, has one of these.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from weighlock.finding import Finding, Outcome, Severity
from weighlock.formats.wheel import Wheel

if TYPE_CHECKING:
    from collections.abc import Iterator

STRUCTURE = Wheel

_COMMANDS = frozenset(
    """
    [ addr2line apt apt-get ar arch as awk b2sum base32 base64 basename bash brew bunzip2 busybox bzip2 c++ cal
    cargo cat cc chattr chgrp chmod chown chroot chsh cksum clear cmp comm cp cpp crontab csh csplit curl cut dash
    date dd df diff dig dir dircolors dirname dmesg dnf docker dpkg du echo ed egrep emacs env expand expr factor
    false fdisk fgrep file find fish fmt fold ftp g++ gawk gcc gdb getent git go gpg grep groups gunzip gzip head
    host hostname iconv id ifconfig install ip iptables java join journalctl kill killall ksh ld ldconfig ldd less
    ln locale locate login logname ls lsattr lsof make man md5sum mkdir mkfifo mknod mktemp more mount mv nano nc
    netstat nice nl nm nohup nproc nslookup objdump od openssl passwd paste patch pathchk perl pgrep ping pip
    pkgutil pkill pmap podman poweroff pr printenv printf ps pwd python pythonw readlink realpath reboot renice
    reset rm rmdir route rpm rsync ruby rustc scp screen sed seq service sftp sh sha1sum sha256sum sha512sum shred
    shuf shutdown sleep socat sort split ssh ssh-add ssh-agent ssh-keygen stat strace strings strip stty su sudo sum
    sync systemctl tac tail tar tee telnet test time timeout tmux top touch tr traceroute true truncate tsort tty
    umount uname unexpand uniq unlink unxz unzip uptime users vi vim w watch wc wget whereis which who whoami xargs
    xz yes yum zcat zip zsh cmd explorer msiexec net powershell pwsh reg rundll32 schtasks taskkill where wscript
    activate activate.csh activate.fish activate.nu activate_this.py deactivate easy_install pydoc
    """.split()
)
# The environment's own interpreters and installers have their version behind them.
_NUMBERED = re.compile(r"(?P<name>python|pip|pydoc|perl|ruby|gcc|g\+\+)[-_]?[0-9][0-9.]*t?\Z")
_ENDINGS = re.compile(r"\.(?:exe|bat|cmd|com|ps1)\Z", re.IGNORECASE)


def run(wheel: Wheel) -> Iterator[Finding]:
    """Yield a finding for each command of the system that it takes the name of."""
    names = {entry.name for entry in wheel.entry_points if entry.is_script}
    names |= {member.place.script for member in wheel.files if member.place is not None and member.place.script}
    for script in sorted(names):
        command = _ENDINGS.sub("", script).lower()
        numbered = _NUMBERED.match(command)
        base = numbered["name"] if numbered else command
        if base in _COMMANDS and canonicalize_name(base) != wheel.name:
            yield Finding(
                check="shadows-command",
                severity=Severity.HIGH,
                message=f"it installs a command called {script} like one of the system",
                outcome=Outcome.REFUSED,
            )
