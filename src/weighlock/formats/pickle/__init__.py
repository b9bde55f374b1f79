"""Pickle: our own decoder and a stack machine over symbols. Nothing is imported, called or built.

Source:
    CPython's ``Lib/pickle.py`` and ``Modules/_pickle.c``, protocols 0 to 5; PEP 307, 3154 and 574. Where
    the two unpicklers differ, the machine goes on whenever either of them would.
"""
