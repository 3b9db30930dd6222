// A request of the page as programs that make the same: for a shell, Python and Node.

import { BASE } from "./api.js";
import { javascriptLiteral, json, pythonLiteral, shellWord } from "./literals.js";

export { copyMenu } from "./copy_menu.js";

const COMMON = [
  "model", "frequency_penalty", "logit_bias", "logprobs", "max_tokens", "n", "presence_penalty", "seed", "stop",
  "stream", "stream_options", "temperature", "top_p", "user",
];
// What OpenAI's libraries have a method for. Its method of Python refuses other names than `fields`.
const ENDPOINTS = {
  "v1/chat/completions": {
    method: "chat.completions",
    fields: [...COMMON, "messages", "max_completion_tokens", "parallel_tool_calls", "response_format", "tool_choice",
      "tools", "top_logprobs"],
    text: (tools) => (tools ? ["message.tool_calls", "message.content"] : ["message.content"]),
    delta: (tools) => (tools ? ["delta.tool_calls", "delta.content"] : ["delta.content"]),
  },
  "v1/completions": {
    method: "completions",
    fields: [...COMMON, "prompt", "best_of", "echo", "suffix"],
    text: () => ["text"],
    delta: () => ["text"],
  },
  "v1/embeddings": {
    method: "embeddings",
    fields: ["model", "input", "dimensions", "user"],
    // The libraries choose the encoding themselves, and decode it.
    dropped: ["encoding_format"],
  },
};

/**
 * `{curl, python, node}`: texts that send `body` to `path` of the server at `base`, a URL that ends
 * in a slash, with the key of the environment variable OPENAI_API_KEY.
 */
export function snippets(path, body, base = String(BASE)) {
  const place = path.replace(/^\//, "");
  const endpoint = ENDPOINTS[place];
  const url = base + place;
  const defined = JSON.parse(JSON.stringify(body));
  if (!endpoint) {
    return { curl: curl(url, defined), python: requests(url, defined), node: fetched(url, defined) };
  }
  const sent = without(defined, endpoint.dropped ?? []);
  return {
    curl: curl(url, defined),
    python: openaiPython(`${base}v1`, endpoint, sent),
    node: openaiNode(`${base}v1`, endpoint, sent),
  };
}

function curl(url, body) {
  return `curl -sS${body.stream ? "N" : ""} ${shellWord(url)} \\
  -H "Authorization: Bearer $OPENAI_API_KEY" \\
  -H 'Content-Type: application/json' \\
  -d ${shellWord(json(body))}
`;
}

function openaiPython(base, endpoint, body) {
  const known = only(body, endpoint.fields);
  const extra = without(body, endpoint.fields);
  const given = Object.keys(extra).length ? { ...known, extra_body: extra } : known;
  const parameters = Object.entries(given).map(([name, value]) => `    ${name}=${pythonLiteral(value, 1)},\n`);
  return `import os

from openai import OpenAI

client = OpenAI(
    base_url=${pythonLiteral(base)},
    api_key=os.environ.get("OPENAI_API_KEY", "none"),
)

answer = client.${endpoint.method}.create(
${parameters.join("")})
${pythonOutput(endpoint, body)}`;
}

function pythonOutput({ text, delta }, body) {
  if (!text) return `for item in answer.data:\n    print(len(item.embedding), item.embedding[:4])\n`;
  const parts = (body.stream ? delta : text)(body.tools).map((name) => `choice.${name}`).join(" or ");
  if (!body.stream) return `for choice in answer.choices:\n    print(${parts})\n`;
  return `for chunk in answer:
    for choice in chunk.choices:
        print(${parts} or "", end="", flush=True)
print()
`;
}

function openaiNode(base, endpoint, body) {
  return `import OpenAI from "openai";

const client = new OpenAI({
  baseURL: ${javascriptLiteral(base)},
  apiKey: process.env.OPENAI_API_KEY ?? "none",
});

const answer = await client.${endpoint.method}.create(${javascriptLiteral(body)});
${nodeOutput(endpoint, body)}`;
}

function nodeOutput({ text, delta }, body) {
  if (!text) {
    return `for (const item of answer.data) {
  console.log(item.embedding.length, item.embedding.slice(0, 4));
}
`;
  }
  const names = (body.stream ? delta : text)(body.tools);
  if (!body.stream) {
    const parts = names.map((name) => `choice.${name}`).join(" ?? ");
    return `for (const choice of answer.choices) {\n  console.log(${parts});\n}\n`;
  }
  const pieces = names.map((name) => (name.endsWith("calls") ? callsOf(`choice.${name}`) : `choice.${name}`));
  return `for await (const chunk of answer) {
  for (const choice of chunk.choices) process.stdout.write(${pieces.join(" ?? ")} ?? "");
}
console.log();
`;
}

function callsOf(calls) {
  return `(${calls} && JSON.stringify(${calls}))`;
}

function requests(url, body) {
  return `import json
import os

import requests

answer = requests.post(
    ${pythonLiteral(url)},
    headers={"Authorization": "Bearer " + os.environ.get("OPENAI_API_KEY", "none")},
    json=${pythonLiteral(body, 1)},
    timeout=60,
)
answer.raise_for_status()
print(json.dumps(answer.json(), indent=2, ensure_ascii=False))
`;
}

function fetched(url, body) {
  return `const answer = await fetch(${javascriptLiteral(url)}, {
  method: "POST",
  headers: {
    Authorization: \`Bearer \${process.env.OPENAI_API_KEY ?? "none"}\`,
    "Content-Type": "application/json",
  },
  body: JSON.stringify(${javascriptLiteral(body, 1)}),
});
if (!answer.ok) throw new Error(\`\${answer.status} \${await answer.text()}\`);
console.log(JSON.stringify(await answer.json(), null, 2));
`;
}

function only(body, names) {
  return Object.fromEntries(Object.entries(body).filter(([name]) => names.includes(name)));
}

function without(body, names) {
  return Object.fromEntries(Object.entries(body).filter(([name]) => !names.includes(name)));
}
