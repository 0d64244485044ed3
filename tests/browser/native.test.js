// The page served by the command line: a running search and a recorded one.
import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { artefacts, built, held, read, root, seek, shades, stepped, steps, text, until, withPage } from "./browser.js";
import { start } from "./server.js";

const PLAIN = { flags: "", webgpu: false };
const SMALL = "--data textures --train-images 8 --batch-size 2 --init-channels 2 --layers 3 --report-every 1 --device cpu";

let folder;
before(async () => {
  built();
  folder = await mkdtemp(join(tmpdir(), "darts-native-"));
});
after(() => rm(folder, { recursive: true, force: true }));

/** Serves the page with a command while `use` runs. */
async function serving(words, use) {
  const program = await start(words, folder);
  try {
    await use(program.url, program);
  } finally {
    await program.close();
  }
}

test("a command-line search is watched, paused, changed and stopped on the page, and replayed afterwards", async () => {
  await serving(`search conv ${SMALL} --epochs 100000 --out run --page ${root}dist --watch 127.0.0.1:0`, async (address, program) => {
    await withPage(address, PLAIN, async (page, errors) => {
      await stepped(page, 3);
      assert.match(await text(page, "#adapter"), /Burn flex|cpu/i);
      assert.match(await text(page, "#of-run"), /^Command-line search 3 cells of 2 channels, batch 2/);
      await page.click("#play");
      await until(page, () => document.querySelector("#main").dataset.activity === "holding");
      await page.waitForTimeout(500);
      const paused = await steps(page);
      await page.click("#step");
      await stepped(page, paused + 1);
      await page.waitForTimeout(300);
      assert.equal(await steps(page), paused + 1, "a step is one step");
      await page.click("#normal-row-3");
      await page.locator("#edge tr.op-2").getByRole("button", { name: /Keep only avg 3.3 on this edge/ }).click();
      await until(page, () => document.querySelector("#edge tr.op-2 .number").textContent === "1.000");
      await page.check("#freeze");
      await until(page, () => /alphas frozen/.test(document.querySelector(".time-label").textContent));
      const held = await shades(page);
      await page.click("#step");
      await stepped(page, paused + 2);
      assert.equal(await shades(page), held, "frozen alphas stay");
      await seek(page, 1);
      assert.notEqual(await shades(page), held);
      await page.screenshot({ path: `${artefacts}/watched-1440.png` });
      await page.click("#reset");
      await until(page, () => document.querySelector("#main").dataset.phase === "failed");
      assert.match(await text(page, ".notices"), /The search was stopped on its page\./);
      assert.equal(await program.ended, 1);
      assert.deepEqual(errors, []);
    });
  });
  const log = (await readFile(join(folder, "run/events.jsonl"), "utf8")).trim().split("\n");
  const interventions = log.map((line) => JSON.parse(line)).filter(({ type }) => type === "intervention");
  assert.deepEqual(interventions.map(({ intervention }) => intervention.change), ["pin", "freeze"]);
  await serving(`replay run --page ${root}dist --address 127.0.0.1:0`, async (address) => {
    await withPage(address, PLAIN, async (page, errors) => {
      await read(page);
      assert.match(await text(page, "#of-run"), /^run 3 cells of 2 channels/);
      assert.equal(await steps(page), log.filter((line) => line.includes('"type":"step"')).length);
      assert.ok((await page.locator(".mark.steered").getAttribute("d")).length > 5, "what was changed is marked");
      assert.deepEqual(errors, []);
    });
  });
});

test("a recurrent command-line search is watched, changed and stopped on the page, and replayed", async () => {
  const corpus = join(folder, "corpus");
  await mkdir(corpus);
  // Not periodic: states do not vary over columns that are at the same words.
  const sentence = (_, i) => `${"one two three four five six seven".split(" ").slice(i % 3, 3 + (Math.floor(i * i * 0.31) % 5)).join(" ")}\n`;
  const prose = Array.from({ length: 60 }, sentence).join("");
  for (const part of ["train", "valid", "test"]) await writeFile(join(corpus, `${part}.txt`), prose);
  const words = "search recurrent --data corpus --out text --device cpu --hidden 8 --batch-size 8 --bptt 5 --epochs 100000 --learning-rate 0.1 --report-every 1";
  let paused;
  await serving(`${words} --page ${root}dist --watch 127.0.0.1:0`, async (address, program) => {
    await withPage(address, PLAIN, async (page, errors) => {
      await stepped(page, 3);
      await page.click("#play");
      await held(page);
      await page.click("#recurrent-row-0");
      await page.locator("#edge tr.op-1").getByRole("button", { name: /Take relu out of this edge/ }).click();
      await until(page, () => document.querySelector("#edge tr.op-1 .number").textContent === "out");
      paused = await steps(page);
      await page.click("#step");
      await stepped(page, paused + 1);
      assert.equal(await text(page, "#edge tr.op-1 .number"), "out", "what is out stays out");
      await page.click("#reset");
      assert.equal(await program.ended, 1);
      assert.deepEqual(errors, []);
    });
  });
  const log = (await readFile(join(folder, "text/events.jsonl"), "utf8")).trim().split("\n");
  await serving(`replay text --page ${root}dist --address 127.0.0.1:0`, async (address) => {
    await withPage(address, PLAIN, async (page, errors) => {
      await read(page);
      assert.match(await text(page, "#of-run"), /^text recurrent cell of 8 units, 8 columns, 5 words back, 100,000 epochs, 8 distinct of \d+ words/);
      await seek(page, paused);
      assert.match(await text(page, ".time-label"), /recurrent 0 . 1 without relu/);
      assert.equal(await steps(page), log.filter((line) => line.includes('"type":"step"')).length);
      assert.equal(await page.locator("#recurrent figure.graph g[role=img][aria-label*=' from ']").count(), 8);
      assert.deepEqual(errors, []);
    });
  });
});
