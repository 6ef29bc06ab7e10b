"""GPUs, hosts, drives and networks: data-sheet numbers with their sources."""
