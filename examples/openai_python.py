"""openai-python against this server: a chat, a stream and embeddings."""

from openai import OpenAI

client = OpenAI(base_url="http://localhost:5100/v1", api_key="none")

question = {"role": "user", "content": "How do I start the server?"}
answer = client.chat.completions.create(model="demo-chat", messages=[question], temperature=0)
print(answer.choices[0].message.content)

stream = client.chat.completions.create(
    model="demo-chat", messages=[question], temperature=0, stream=True
)
for event in stream:
    print(event.choices[0].delta.content or "", end="", flush=True)
print()

vectors = client.embeddings.create(model="all-minilm-l6-v2", input=["one", "two"])
print([len(item.embedding) for item in vectors.data])
