"""Where work on many files is done: each engine gives an executor of `concurrent.futures`."""
