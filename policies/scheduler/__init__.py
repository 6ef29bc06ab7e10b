"""What the next step computes besides one token for every decoding sequence."""
