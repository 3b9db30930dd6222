"""The gateway's own processes: killed, stopped, reloaded, short of memory and descriptors."""
