// OpenAI's library for Node when answers fail. Arguments and cases as in scripts/openai_failures.py.

import OpenAI from "openai";

const [url, name, cases] = [process.argv[2], process.argv[3], JSON.parse(process.argv[4])];
const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "none" });

const question = {
  prompt: "Once upon a time",
  max_tokens: 900,
  temperature: 0,
  repetition_penalty: 1.3,
};

function received(chunks) {
  const choices = chunks.flatMap((chunk) => chunk.choices);
  const reasons = choices.map((choice) => choice.finish_reason).filter((reason) => reason);
  return { chunks: choices.length, finish_reasons: reasons };
}

async function ask(each) {
  const chunks = [];
  const body = { ...question, model: each.model, stream: each.stream ?? false };
  const options = {
    headers: { "X-Request-Id": `${name}-${each.name}` },
    maxRetries: each.retries ?? 2,
    timeout: 1000 * (each.timeout ?? 60),
  };
  try {
    const answer = await client.completions.create(body, options);
    for await (const chunk of each.stream ? answer : [answer]) {
      chunks.push(chunk);
      if (chunks.length === 1) console.log("streaming");
    }
  } catch (problem) {
    return {
      errors: [problem.constructor.name],
      status: problem.status ?? null,
      code: problem.code ?? null,
      request_id: problem.requestID ?? null,
      ...received(chunks),
    };
  }
  return { errors: [], ...received(chunks) };
}

async function askUntilEnd(each) {
  const answer = await ask(each);
  console.log("ended");
  return answer;
}

const answers = await Promise.all(cases.map(askUntilEnd));
console.log(JSON.stringify(Object.fromEntries(cases.map((each, at) => [each.name, answers[at]]))));
