"""`import weighlock.auto` switches the guard on in this process and in its Python children.

A guard that cannot start ends the process: the program must not go on without it.
"""

from weighlock.runtime import activate, end

try:
    activate()
except BaseException as error:  # noqa: BLE001 - whatever it is, the program must not run unguarded
    end(error)
