"""What decode attention kernels do about prefixes that sequences of a batch share."""
