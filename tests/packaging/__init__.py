"""The package as others get it: built, installed outside the checkout, and run there."""
