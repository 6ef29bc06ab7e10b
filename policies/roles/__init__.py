"""Who computes prompts and who decodes."""
