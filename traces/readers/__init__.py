"""Public trace formats, a file each. `kvsim.traces.formats()` finds them; nothing lists them."""
