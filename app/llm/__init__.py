"""The door to a language model: any server that speaks the chat completions of OpenAI's API."""
