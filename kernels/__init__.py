"""Measures a machine: memory, products, attention, KV blocks, links, disk. Prints raw samples.

An island: it needs numpy, and torch and triton for a GPU; nothing else of kvsim. Run it as
`python -m kvsim.kernels --out raw.json`, or copy the folder and run `python -m kernels`. The fit is
made from the raw samples, here or elsewhere: `kvsim calibrate --from raw.json`.
"""
