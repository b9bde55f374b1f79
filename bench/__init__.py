"""What `make bench` measures. Each part writes JSON to ``bench/results``; `bench.render` makes a page of it."""
