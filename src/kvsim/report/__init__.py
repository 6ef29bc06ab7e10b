"""What a run says to people: tables in a terminal, one page with charts, reasons in words."""
