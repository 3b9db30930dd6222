"""Pure text: nothing here knows HTTP, Triton or an event loop; all of it may run in threads."""
