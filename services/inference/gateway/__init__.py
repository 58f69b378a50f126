"""All deployments behind one address that OpenAI's clients understand."""
