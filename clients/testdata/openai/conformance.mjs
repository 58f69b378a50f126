// The official Node SDK against a server that speaks OpenAI's API: `node conformance.mjs BASE_URL KEY MODEL`.
// Each check throws where the server does other than OpenAI documents; the last line counts them.
import assert from "node:assert/strict";
import OpenAI from "openai";

const [baseURL, apiKey, model] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0, timeout: 120_000 });
const messages = [{ role: "user", content: "Where is the river?" }];
const weather = {
  type: "function",
  function: {
    name: "weather",
    parameters: {
      type: "object",
      properties: { place: { enum: ["Ostrel", "Amber"] } },
      required: ["place"],
      additionalProperties: false,
    },
  },
};

const checks = {
  async "models are listed"() {
    const names = [];
    for await (const each of client.models.list()) names.push(each.id);
    assert.ok(names.includes(model));
  },
  async "a stream joins to the whole answer and ends with the usage"() {
    const options = { model, messages, temperature: 0, max_tokens: 9 };
    const whole = await client.chat.completions.create(options);
    const stream = await client.chat.completions.create({
      ...options,
      stream: true,
      stream_options: { include_usage: true },
    });
    let text = "";
    let reason = null;
    let usage = null;
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta?.content ?? "";
      reason = chunk.choices[0]?.finish_reason ?? reason;
      usage = chunk.usage ?? usage;
    }
    assert.equal(text, whole.choices[0].message.content);
    assert.equal(reason, "length");
    assert.equal(usage.completion_tokens, 9);
  },
  async "n, seed and logprobs"() {
    const options = { model, messages, n: 2, seed: 3, max_tokens: 5, logprobs: true, top_logprobs: 2 };
    const [first, again] = [
      await client.chat.completions.create(options),
      await client.chat.completions.create(options),
    ];
    assert.deepEqual(first.choices.map((each) => each.message), again.choices.map((each) => each.message));
    assert.equal(first.choices.length, 2);
    assert.equal(first.choices[0].logprobs.content[0].top_logprobs.length, 2);
  },
  async "a stop text ends the answer before it"() {
    const options = { model, messages, temperature: 0, max_tokens: 20 };
    const whole = (await client.chat.completions.create(options)).choices[0].message.content;
    const stop = whole.slice(4, 7);
    const cut = (await client.chat.completions.create({ ...options, stop })).choices[0];
    assert.equal(cut.message.content, whole.slice(0, whole.indexOf(stop)));
    assert.equal(cut.finish_reason, "stop");
  },
  async "a schema is satisfied"() {
    const schema = { type: "object", properties: { deep: { type: "boolean" } }, required: ["deep"], additionalProperties: false };
    const answer = await client.chat.completions.create({
      model,
      messages,
      max_tokens: 60,
      response_format: { type: "json_schema", json_schema: { name: "lake", schema, strict: true } },
    });
    assert.equal(typeof JSON.parse(answer.choices[0].message.content).deep, "boolean");
  },
  async "a tool that must be called is called, streamed or not"() {
    const options = { model, messages, max_tokens: 200, tools: [weather], tool_choice: "required" };
    const answer = await client.chat.completions.create(options);
    assert.equal(answer.choices[0].finish_reason, "tool_calls");
    assert.ok(JSON.parse(answer.choices[0].message.tool_calls[0].function.arguments).place);
    const final = await client.chat.completions.stream(options).finalChatCompletion();
    assert.equal(final.choices[0].message.tool_calls[0].function.name, "weather");
  },
  async "texts are completed"() {
    const answer = await client.completions.create({ model, prompt: ["The", "A"], max_tokens: 3 });
    assert.deepEqual(answer.choices.map((each) => each.index), [0, 1]);
  },
  async "an aborted stream raises in the client"() {
    const stream = await client.chat.completions.create({ model, messages, max_tokens: 200, stream: true, n: 2 });
    for await (const _ of stream) break;
    assert.ok(stream.controller.signal.aborted);
  },
  async "errors are the SDK's own"() {
    const refused = (call, kind, code) => assert.rejects(call, (error) => error instanceof kind && error.code === code);
    await refused(client.chat.completions.create({ model: "other", messages }), OpenAI.NotFoundError, "model_not_found");
    await refused(client.chat.completions.create({ model, messages, temperature: 9 }), OpenAI.BadRequestError, "invalid_value");
    await refused(
      client.chat.completions.create({ model, messages, max_tokens: 100_000 }),
      OpenAI.BadRequestError,
      "context_length_exceeded",
    );
    const stranger = new OpenAI({ baseURL, apiKey: "wrong", maxRetries: 0 });
    await refused(stranger.models.list(), OpenAI.AuthenticationError, "invalid_api_key");
  },
};

for (const [name, check] of Object.entries(checks)) {
  try {
    await check();
  } catch (error) {
    console.error(`${name}: ${error.stack}`);
    process.exit(1);
  }
}
console.log(Object.keys(checks).length);
