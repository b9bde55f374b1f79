"""The project of the demonstration: ordinary code that knows nothing of weighlock.

`weighlock demo` copies these files into its temporary folder and runs them there.
"""
