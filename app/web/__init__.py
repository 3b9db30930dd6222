"""The Flask glue that the views share. Nothing below this layer knows HTTP."""
