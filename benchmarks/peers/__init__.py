"""What the gateway is compared with: the limit without HTTP, and other servers. See README.md."""
