"""The OpenAPI document: bodies from the schemas that parse them, answers as they are made."""
