// How the work grows with what a model writes, and how much of the time it takes.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Frames } from "../../../app/playground/frames.js";
import { parseBlocks } from "../../../app/playground/markdown_blocks.js";
import { parseInline } from "../../../app/playground/markdown_inline.js";

const SIZE = 2000;
const GROWTH = 16;
const TURNS = 10;
const read = (text) => parseBlocks(text).map((block) => parseInline(block.text ?? ""));

/** Of this process: what others do meanwhile does not count. */
function milliseconds(text) {
  const begin = process.cpuUsage();
  read(text);
  const { user, system } = process.cpuUsage(begin);
  return (user + system) / 1000;
}

const fastest = (text) => Math.min(...Array.from({ length: TURNS }, () => milliseconds(text)));

const HARD = {
  "an item before many empty lines": (n) => "- a" + "\n".repeat(n) + "  b",
  "a fence of spaces that is none": (n) => "```" + " ".repeat(n) + "`",
  "a fence of tildes that is none": (n) => "~".repeat(n) + "`",
  "a heading of spaces that is none": (n) => "# " + " ".repeat(n) + "\u2028",
  "an item of spaces that is none": (n) => "- " + " ".repeat(n) + "\u2028",
  "a table of many columns": (n) => `${"|a".repeat(n)}\n${"|-".repeat(n)}\n${"|b".repeat(n)}`,
  "angles that one closes": (n) => "<a".repeat(n) + ">",
  "addresses that one closes": (n) => "[a](".repeat(n) + ")",
  "code that begins with a space": (n) => "` " + "a".repeat(n) + "`",
};

for (const [name, make] of Object.entries(HARD)) {
  test(`the work grows no faster than the text: ${name}`, () => {
    read(make(SIZE));
    const few = fastest(make(SIZE));
    const many = fastest(make(SIZE * GROWTH));
    // Work that grows with the square takes 256 times as long.
    assert.ok(many < few * GROWTH * 4, `${few.toFixed(2)} ms became ${many.toFixed(2)} ms`);
  });
}

/** How often the work is done in `numPictures` of 16 ms, if each time takes `milliseconds`. */
function timesDone(context, milliseconds, numPictures) {
  const waiting = [];
  let [now, times] = [0, 0];
  context.mock.method(performance, "now", () => now);
  globalThis.requestAnimationFrame = (callback) => waiting.push(callback);
  const frames = new Frames(() => {
    now += milliseconds;
    times += 1;
  });
  for (let picture = 0; picture < numPictures; picture += 1) {
    now += 16;
    frames.ask();
    for (const callback of waiting.splice(0)) callback(now);
  }
  return [times, now];
}

test("quick work is done for each picture", (context) => {
  assert.equal(timesDone(context, 2, 100)[0], 100);
});

test("slow work takes a part of the time alone, and is not forgotten", (context) => {
  const [times, now] = timesDone(context, 100, 1000);
  assert.ok(times > 10);
  assert.ok(times * 100 < now / 3, `${times} times in ${now} ms`);
});
