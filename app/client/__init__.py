"""Another server over HTTP: what every server of the OpenAI API answers. Standard library only."""
