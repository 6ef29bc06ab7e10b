"""Readers of Hugging Face configs, a file per family of architectures. See `huggingface`."""
