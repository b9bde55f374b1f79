"""Run in a sandbox that has to prove itself, never imported: tries to get out, and writes down what worked."""

import json
import os
import socket
import sys


def main() -> None:
    """Try everything, and write an answer for each attempt."""
    told = json.loads(sys.argv[1])
    answer = {
        "reach this machine over the network": _connects("127.0.0.1", told["port"]),
        "reach another machine over the network": _connects("192.0.2.1", 80) or _has_interfaces(),
        "read files of the user": _reads(told["secret"])
        or any(_lists(folder, told["readable"]) for folder in told["folders"]),
        "write elsewhere": any(map(_writes, ("/", "/usr", "/etc", *told["readable"]))),
        "see other processes": _sees(told["process"]),
        "read variables of the user": bool(set(os.environ) - {"PATH", "LANG", "HOME", "TMPDIR", "PWD", "LC_CTYPE"}),
        "gain privileges": _has_capabilities(),
    }
    with open("answer.json", "w", encoding="utf-8") as file:
        json.dump(answer, file)


def _connects(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=2).close()
    except TimeoutError:
        return True  # it was sent
    except OSError:
        return False
    return True


def _has_interfaces() -> bool:
    return any(name != "lo" for _, name in socket.if_nameindex())


def _reads(path: str) -> bool:
    try:
        with open(path, "rb"):
            return True
    except OSError:
        return False


def _lists(folder: str, readable: "list[str]") -> bool:
    """Say whether there is anything in a folder of the user but the way to what may be read."""
    ways = [*readable, sys.base_prefix, os.path.dirname(os.path.abspath(__file__)), os.getcwd(), "/dev"]
    if any((folder + "/").startswith(way + "/") for way in ways):
        return False
    try:
        names = os.listdir(folder)
    except OSError:
        return False
    return any(not any(way.startswith(os.path.join(folder, name)) for way in ways) for name in names)


def _writes(folder: str) -> bool:
    path = os.path.join(folder, "weighlock-probe")
    try:
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
        os.unlink(path)
    except OSError:
        return False
    return True


def _sees(process: int) -> bool:
    if os.path.exists(f"/proc/{process}/environ") or os.getpid() > 100:
        return True
    try:
        os.kill(process, 0)
    except OSError:
        return False
    return process > 100


def _has_capabilities() -> bool:
    """Try what takes a capability: a name for the machine, and another root."""
    try:
        socket.sethostname("weighlock-probe")
    except OSError:
        pass
    else:
        return True
    try:
        os.chroot(".")
    except OSError:
        return False
    return True


if __name__ == "__main__":
    main()
