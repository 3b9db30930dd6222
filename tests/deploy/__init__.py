"""What deploy/ holds for Kubernetes, systemd and proxies, beside what the server itself needs."""
