"""Run as a program, never imported: goes into the sandbox for good, and becomes the program that is to run in it.

With `root` it is already alone in new namespaces (user, mount, process, network, IPC), and makes the file system that
the program sees: an empty one in memory, with some folders of the system that cannot be written, and the one that
can. There is no ``/proc``: a root of the namespace may be the system's own, whose settings lie there. It gives up every
capability, without which none of that can be undone.
"""

import ctypes
import json
import os
import resource
import sys

_RDONLY, _NOSUID, _NODEV, _REMOUNT, _BIND, _REC, _PRIVATE = 1, 2, 4, 32, 4096, 16384, 1 << 18
_MNT_DETACH = 2
_NO_NEW_PRIVS, _DROP_BOUNDING, _SET_SECUREBITS, _AMBIENT, _CLEAR_AMBIENT = 38, 24, 28, 47, 4
_NOROOT_AND_ITS_FRIENDS_LOCKED = 0x2F
_DEVICES = ("null", "zero", "full", "random", "urandom")

_libc = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    """Do as the one argument says."""
    told = json.loads(sys.argv[1])
    if told["root"]:
        _enter(told["root"], told["readable"], told["writable"])
        _give_up_capabilities()
    for name, value in told["limits"].items():
        resource.setrlimit(getattr(resource, name), (value, value))
    os.chdir(told["folder"])
    os.execve(told["command"][0], told["command"], told["environ"])  # noqa: S606 - what this program is for


def _enter(root: str, readable: "list[str]", writable: str) -> None:
    _mount(None, "/", None, _REC | _PRIVATE)
    _mount("tmpfs", root, "tmpfs", _NOSUID | _NODEV, "mode=755,size=1m")
    for path in sorted(readable):  # a folder before what is in it
        _show(path, root)
    _show(writable, root)
    for name in _DEVICES:
        _show(f"/dev/{name}", root)
    for place in _mounts(root):
        if place != root + writable and not place.startswith(f"{root}/dev/"):
            _mount(None, place, None, _REMOUNT | _BIND | _RDONLY | _kept_flags(place))
    os.mkdir(f"{root}/old")
    _check(_libc.pivot_root(os.fsencode(root), os.fsencode(f"{root}/old")), root)
    os.chdir("/")
    _check(_libc.umount2(b"/old", _MNT_DETACH), "/old")
    os.rmdir("/old")
    _mount(None, "/", None, _REMOUNT | _BIND | _RDONLY | _NOSUID | _NODEV)


def _show(path: str, root: str) -> None:
    """Bind a folder or a file to the same place under the root; a link stays one."""
    place = root + path
    if os.path.lexists(place):
        return
    os.makedirs(os.path.dirname(place), exist_ok=True)
    if os.path.islink(path):
        os.symlink(os.readlink(path), place)
        return
    if os.path.isdir(path):
        os.mkdir(place)
    else:
        os.close(os.open(place, os.O_CREAT | os.O_EXCL, 0o600))
    _mount(path, place, None, _BIND | _REC)


def _mounts(root: str) -> "list[str]":
    found = []
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        for line in file:
            place = line.split(" ")[4]
            for code, char in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
                place = place.replace(code, char)
            if place.startswith(root + "/"):
                found.append(place)
    return found


def _kept_flags(place: str) -> int:
    """Return flags that a mount has and may not lose."""
    # ST_NOSUID, ST_NODEV, ST_NOEXEC, ST_NOATIME, ST_NODIRATIME, ST_RELATIME and their MS_ of the same meaning
    pairs = ((2, 2), (4, 4), (8, 8), (1024, 1024), (2048, 2048), (4096, 1 << 21))
    now = os.statvfs(place).f_flag
    return sum(flag for seen, flag in pairs if now & seen or flag in (_NOSUID, _NODEV))


def _give_up_capabilities() -> None:
    _check(_libc.prctl(_AMBIENT, _CLEAR_AMBIENT, 0, 0, 0), "ambient capabilities")
    for capability in range(64):
        _libc.prctl(_DROP_BOUNDING, capability, 0, 0, 0)  # fails behind the last one
    _check(_libc.prctl(_SET_SECUREBITS, _NOROOT_AND_ITS_FRIENDS_LOCKED, 0, 0, 0), "secure bits")
    _check(_libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0), "new privileges")


def _mount(source: "str | None", place: str, kind: "str | None", flags: int, data: "str | None" = None) -> None:
    words = [None if word is None else os.fsencode(word) for word in (source, place, kind, data)]
    _check(_libc.mount(words[0], words[1], words[2], ctypes.c_ulong(flags), words[3]), place)


def _check(answer: int, what: str) -> None:
    if answer != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)


if __name__ == "__main__":
    main()
