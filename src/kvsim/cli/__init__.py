"""The command line: one file per noun or verb, imported only when asked for."""
