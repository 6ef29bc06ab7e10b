"""What a lower tier keeps of what has been computed."""
