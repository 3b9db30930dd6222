"""Pure text: nothing here knows HTTP, Triton or an event loop, and every function may run in a thread."""
