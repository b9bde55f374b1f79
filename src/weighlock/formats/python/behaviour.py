"""Which calls start programs, reach the network or change what starts with Python: names, as a file resolves them.

Source:
    The standard library's documentation of those modules; the documentation of requests, httpx, urllib3 and aiohttp.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

PROCESS = "starts a program"
NETWORK = "reaches the network"
STARTUP = "changes what starts by itself"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Behaviour:
    """A call that does more than define things.

    Args:
        kind: `PROCESS`, `NETWORK` or `STARTUP`.
        name: The dotted name of what is called.
        path: The file.
        line: From 1.
        runs_code: The program is an interpreter or a shell that is given code of its own.
        own_program: The program may be one that was brought or fetched: it is no command that the text names.
    """

    kind: str
    name: str
    path: str
    line: int
    runs_code: bool = False
    own_program: bool = False


_VERBS = r"(?:request|get|post|put|patch|delete|head|options|send|stream|open|urlopen|fetch|ws_connect)"
_SOCKET = r"socket\.socket(?:\(\))?\.?(?:connect|connect_ex|sendto|sendmsg)"
_PROCESS = re.compile(
    r"""
    (?:\w+\.)*subprocess\.(?:run|Popen|call|check_call|check_output|getoutput|getstatusoutput|_execute_child)
    | (?:\w+\.)*_?(?:os|posix|nt)\.(?:system|popen|popen[234]|startfile|exec[lv]p?e?|spawn[lv]p?e?)
    | (?:\w+\.)*_?(?:os|posix|nt)\.(?:posix_spawnp?|_execvpe)
    | ctypes\.(?:(?:CDLL|PyDLL)\(\)|pythonapi|cdll\.\w+(?:\(\))?)\.(?:system|popen|exec[lv]p?e?|posix_spawnp?)
    | psutil\.Popen | pexpect\.(?:spawn|run) | (?:setuptools\._)?distutils\.spawn\.spawn | .*\.subprocess_(?:exec|shell)
    | (?:anyio|trio)\.(?:run|open)_process
    | pty\.spawn | _posixsubprocess\.fork_exec | _winapi\.CreateProcess
    | asyncio\.(?:subprocess\.)?create_subprocess_(?:exec|shell)
    | ctypes\.windll\.(?:shell32\.ShellExecute\w*|kernel32\.(?:WinExec|CreateProcess\w*)) | webbrowser\.open\w*
    """,
    re.VERBOSE,
)
_NETWORK = re.compile(
    rf"""
    (?:urllib\.request|urllib2|urllib|six\.moves\.urllib\.request)\.(?:urlopen|urlretrieve)
    | (?:urllib\.request|urllib2)\.(?:build_opener|OpenerDirector)\(\)\.open
    | urllib\.request\.(?:URLopener|FancyURLopener)\(\)\.(?:open|retrieve)
    | socket\.(?:create_connection|getaddrinfo|gethostbyname|gethostbyname_ex|gethostbyaddr) | {_SOCKET}
    | http\.client\.HTTPS?Connection(?:\(\)\.(?:request|connect|putrequest))?
    | requests\.(?:api\.)?{_VERBS} | requests\.(?:sessions\.)?[Ss]ession\(\)\.{_VERBS}
    | httpx\.{_VERBS} | httpx\.(?:Async)?Client\(\)\.{_VERBS}
    | urllib3\.request | urllib3\.(?:poolmanager\.)?\w*(?:Pool|Manager)\w*\(\)\.(?:request|urlopen|request_encode_\w+)
    | aiohttp\.request | aiohttp\.ClientSession\(\)\.{_VERBS} | pycurl\.Curl\(\)\.perform
    | ftplib\.FTP(?:_TLS)? | smtplib\.SMTP(?:_SSL)? | telnetlib\.Telnet | xmlrpc\.client\.ServerProxy
    | ssl\.\w+\(\)\.wrap_socket\(\)\.connect
    | (?:websocket|websockets(?:\.\w+)*)\.(?:create_connection|connect) | asyncio\.open_connection
    """,
    re.VERBOSE,
)

_COMMAND = re.compile(
    r".*(?:\|\s*(?:(?:ba|z|da)?sh|python[0-9.]*|node|bun|crontab)\b|\bexec\s*\(|\bpowershell\b"
    r"|(?:\$\(|<\(|`)\s*(?:curl|wget)\b|\b(?:curl|wget)\b[^\n]{0,400}?(?:\bchmod\s|[;&]\s*(?:(?:ba|z|da)?sh|python|\./|/tmp/))).*",
    re.DOTALL | re.IGNORECASE,
)
_INTERPRETER = re.compile(r"(?:.*/)?(?:python[0-9.]*|(?:ba|z|da)?sh|node|bun|deno|perl|ruby|powershell|pwsh)(?:\.exe)?")
CALLERS = frozenset(
    """
    Thread Timer Process submit map imap starmap filter start_new_thread to_thread run_in_executor call_soon call_later
    apply_async apply reduce partial any all sorted max min accumulate iter callback signal finalize settrace setprofile
    addaudithook register_at_fork
    """.split()
)
"""Functions that call a function which they are given, as `atexit.register` does."""

MADE = frozenset({"__init__", "__new__", "__post_init__"})
"""Methods that run when an object is made."""

UNSEEN = frozenset(
    """
    __set_name__ __prepare__ __init_subclass__ __class_getitem__ __mro_entries__ __del__ __add__ __radd__ __or__ __and__
    __getitem__ __setitem__ __contains__ __len__ __iter__ __next__ __bool__ __eq__ __hash__ __repr__ __str__ __format__
    __exit__ __enter__ __get__ __set__ __fspath__ __index__ __int__ __lshift__ __rshift__ __matmul__ __truediv__ __sub__
    __mul__ __mod__ __lt__ __gt__ __le__ __ge__ __ne__ __neg__ __invert__ __instancecheck__ __subclasscheck__
    """.split()
)
"""Methods that expressions and statements call without their names, once there is an object."""

_COMMAND_NAME = re.compile(r"[A-Za-z0-9_.+-]*[A-Za-z0-9_+-](?=\s|\Z)")
_GIVES_CODE = frozenset({"-c", "-e", "--eval", "-enc", "-EncodedCommand", "-Command"})

STARTUP_PLACES = re.compile(
    r"""
    (?<![\w)}\]])\.(?:bashrc|bash_profile|bash_login|profile|zshrc|zshenv|zprofile)\b | config\.fish | authorized_keys
    | (?:site|user)customize | \.pth\b | LaunchAgents | LaunchDaemons | \.config/autostart | Start\ Menu
    | CurrentVersion\\+Run | /etc/(?:cron|systemd|init|rc\.local|profile|ld\.so\.preload) | systemd/user | crontab
    """,
    re.VERBOSE,
)
_ACTS = re.compile(rb"\b(?:subprocess|system|popen|Popen|spawn\w*|exec\w*|eval|pty|urlopen|urlretrieve)\b")
_WRITERS = re.compile(
    r"(?:io\.|pathlib\.)?open|os\.(?:open|rename|replace|link|symlink)|shutil\.(?:copy\w*|move)"
    r"|.*\.(?:write_text|write_bytes|symlink_to|rename|replace|open)|winreg\.SetValueEx?"
)


def kind_of(name: str) -> str | None:
    """Return what a call of that dotted name does, or `None`."""
    if _PROCESS.fullmatch(name):
        return PROCESS
    return NETWORK if _NETWORK.fullmatch(name) else None


def may_act(data: bytes) -> bool:
    """Say whether text that is no Python of this version names anything that starts programs or executes."""
    return _ACTS.search(data) is not None


def may_write(name: str) -> bool:
    """Say whether a call of that name may create or change a file that its arguments name."""
    return _WRITERS.fullmatch(name) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportTime:
    """What importing the modules of a package runs.

    Args:
        behaviours: Sorted.
        unread: What could not be followed, and why.
    """

    behaviours: tuple[Behaviour, ...] = ()
    unread: tuple[str, ...] = ()


def hands_code(texts: Collection[str]) -> bool:
    """Say whether the arguments of a program hand code to an interpreter or a shell.

    Args:
        texts: Constant texts among the arguments; the path of the running interpreter as ``python``.
    """
    if any(_COMMAND.fullmatch(text) for text in texts):
        return True
    return not _GIVES_CODE.isdisjoint(texts) and any(_INTERPRETER.fullmatch(text) for text in texts)


def names_command(text: str | None) -> bool:
    """Say whether text begins with the name of a command that the system has, and not one that runs other files.

    Args:
        text: What is started, as far as it is known.
    """
    match = _COMMAND_NAME.match(text) if text else None
    return match is not None and not _INTERPRETER.fullmatch(match[0])
