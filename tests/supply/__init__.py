"""What the server is made of, what it reaches, and what it may do where it runs."""
