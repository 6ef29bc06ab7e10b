"""Public trace formats, a file each. `kvsim.traces.discovery()` finds them; nothing lists them."""
