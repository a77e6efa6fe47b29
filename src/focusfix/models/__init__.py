"""Networks: one file per architecture, and a table of them that is read without torch."""

from focusfix.allocator import keep_freed_memory, use_large_pages

keep_freed_memory()
use_large_pages()
