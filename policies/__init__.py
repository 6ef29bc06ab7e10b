"""The answers: a folder per question, a file per answer."""
