"""What a request's KV space is claimed as."""
