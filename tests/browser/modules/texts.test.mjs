// The page's texts: the same keys in both languages, and every key that the page uses.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";

import { setLanguage, t } from "../../../app/playground/i18n.js";

const FOLDER = new URL("../../../app/playground/", import.meta.url);
// Methods of OpenAI's libraries look like keys.
const OTHERS = /^texts|^snippets\.js$|(?<!\.js)$/;
const FILES = readdirSync(FOLDER, { recursive: true }).filter((name) => !OTHERS.test(name));
const texts = async (name) => (await import(new URL(`texts/${name}.js`, FOLDER))).default;
const placeholders = (text) => (text.match(/\{\w+\}/g) ?? []).sort();

for (const suffix of ["", "_encoders"]) {
  test(`the keys of en${suffix} and zh${suffix} are the same`, async () => {
    const [en, zh] = [await texts(`en${suffix}`), await texts(`zh${suffix}`)];
    assert.deepEqual(Object.keys(zh).sort(), Object.keys(en).sort());
    for (const key of Object.keys(en)) {
      assert.ok(en[key] && zh[key], key);
      assert.deepEqual(placeholders(zh[key]), placeholders(en[key]), key);
    }
  });
}

test("no key is in two files", async () => {
  const [one, other] = [await texts("en"), await texts("en_encoders")];
  assert.deepEqual(
    Object.keys(one).filter((key) => key in other),
    [],
  );
});

test("every key is used, and every key that is used is there", async () => {
  const en = { ...(await texts("en")), ...(await texts("en_encoders")) };
  const areas = new Set(Object.keys(en).map((key) => key.split(".")[0]));
  const sources = FILES.map((name) => readFileSync(new URL(name, FOLDER), "utf8")).join("\n");
  const written = new Set([...sources.matchAll(/"([a-z]+\.[a-z_0-9]+)"/g)].map((match) => match[1]));
  // Keys whose end is found out later: `parameters.${name}`.
  const stems = [...sources.matchAll(/`([a-z]+\.[a-z_0-9]*)\$\{/g)].map((match) => match[1]);
  const stemmed = [...sources.matchAll(/`\$\{[^}]+\}(\.[a-z_0-9]+)`/g)].map((match) => match[1]);
  for (const key of written) if (areas.has(key.split(".")[0])) assert.ok(key in en, `${key} is not there`);
  for (const key of Object.keys(en)) {
    const isUsed =
      written.has(key) || stems.some((stem) => key.startsWith(stem)) || stemmed.some((end) => key.endsWith(end));
    assert.ok(isUsed, `${key} is not used`);
  }
});

test("parameters stand where the text has them", () => {
  assert.equal(t("error.status", { status: 503 }), "The server answered with status 503.");
  assert.equal(t("error.status"), "The server answered with status {status}.");
  assert.equal(t("no.such_key"), "no.such_key");
  assert.throws(() => setLanguage("zh"), /document/);
  assert.equal(t("app.stop"), "停止");
});
