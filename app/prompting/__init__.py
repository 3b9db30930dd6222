"""Pure text: nothing here knows HTTP, Triton or an event loop; all of it may run in threads."""

import os

# `huggingface_hub` reads it once, when it is imported, which only modules of this package do.
# Nothing is ever fetched, whatever the environment says.
os.environ["HF_HUB_OFFLINE"] = "1"
