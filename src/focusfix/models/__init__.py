"""Networks: one file per architecture, and a table of them that is read without torch."""
