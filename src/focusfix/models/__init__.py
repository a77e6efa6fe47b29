"""Networks: one file per architecture, and a table of them that is read without torch."""

import os

# Feature maps come and go by the hundred megabytes. In pages of 2 MiB instead of 4 KiB they cost
# a fifth less time on Linux. torch looks at this when it allocates its first tensor.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
