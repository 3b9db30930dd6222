"""What OpenAI means by its endpoints: values in, answers as dicts and iterators out."""
