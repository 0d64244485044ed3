// The recurrent task: a search on text in the page, recorded ones, sharing and comparing their cells.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import {
  artefacts, built, drop, findings, fits, held, kept, ready, saved, seek, shades, stepped, steps, tale, text, until, withPage, withRecording,
} from "./browser.js";
import { recurrentLines, writeLines } from "./recording.js";
import { serve } from "./server.js";

const BOOK = "/data/moonstone.txt";
const PLAIN = { flags: "", webgpu: false };
// Small enough for a software adapter.
const SMALL = "#task=recurrent&words=200&units=8&bptt=4&batch=4&epochs=2&alr=0.02";

let server;
let folder;
let log;
before(async () => {
  built();
  server = await serve();
  folder = await mkdtemp(join(tmpdir(), "darts-text-"));
  log = join(folder, "events.jsonl");
  await writeLines(log, recurrentLines(3, 10));
});
after(async () => {
  await server?.close();
  await rm(folder, { recursive: true, force: true });
});

test("a recurrent search on the book: alphas move, the network writes, a seed fixes both", async () => {
  await withPage(server.url + SMALL, {}, async (page, errors, asked) => {
    await ready(page);
    assert.equal(await page.inputValue("#task"), "recurrent");
    const began = Date.now();
    await page.click("#step");
    await stepped(page, 1);
    console.log(`the first step took ${((Date.now() - began) / 1000).toFixed(1)} s`);
    await until(page, () => document.querySelector("#sample"));
    await held(page);
    console.log(`its text was there after ${((Date.now() - began) / 1000).toFixed(1)} s`);
    assert.ok(asked.includes(BOOK));
    assert.match(await text(page, "#facts"), /weights, 200 distinct of [\d,]+ words of The Moonstone/);
    const early = await shades(page);
    assert.equal(early.split(",").length, 36 * 5);
    const first = await text(page, "#sample");
    assert.ok(first.split(/\s+/).length > 20, first);
    assert.match(await text(page, "#written-facts"), /^after step 1, temperature 0\.8, seed 1$/);
    assert.equal((await kept(page, "recurrent")).length, 8);
    assert.match((await kept(page, "recurrent"))[0], / from the first state to node 1$/);

    await page.click("#play");
    await stepped(page, 6);
    await page.click("#play");
    await held(page);
    assert.notEqual(await shades(page), early, "the alphas moved");
    const losses = (await text(page, "#loss .halves")).match(/\d+\.\d+/g).map(Number);
    assert.ok(losses.length === 2 && losses.every((loss) => loss > 0 && loss < 12), `${losses}`);
    await page.selectOption("#temperature", "0.5");
    await page.click("#write");
    await until(page, () => /temperature 0\.5/.test(document.querySelector("#written-facts").textContent));
    assert.notEqual(await text(page, "#sample"), first);
    // Going back in time brings back the text of that moment.
    await seek(page, 2);
    assert.equal(await text(page, "#sample"), first);
    await page.click("#latest");
    // It takes interventions, like a search on images.
    await page.click("#recurrent-row-5");
    assert.match(await text(page, "#edge"), /2 . 3[^]*Changes go to the search/);
    await page.locator("#edge tr.op-3").getByRole("button", { name: /Keep only identity on this edge/ }).click();
    await until(page, () => document.querySelector("#edge tr.op-3 .number").textContent === "1.000");
    const noticed = (change) =>
      until(page, (change) => document.querySelector(".time-label").textContent.includes(change), change);
    await noticed("recurrent 2 \u2192 3 only identity");
    await page.selectOption("#search-order", "second");
    await noticed("second order");
    await page.fill("#lr", "2.5");
    await page.press("#lr", "Tab");
    await noticed("rates 2.5 and 0.02");
    await page.check("#freeze");
    await noticed("alphas frozen");
    const before = await shades(page);
    await page.click("#step");
    await stepped(page, 7);
    await held(page);
    assert.equal(await shades(page), before, "frozen alphas stay");

    await page.click("#reset");
    await page.click("#step");
    await stepped(page, 1);
    await until(page, () => document.querySelector("#sample"));
    assert.equal(await shades(page), early, "a seed fixes the search");
    assert.equal(await text(page, "#sample"), first, "and what it writes");
    assert.deepEqual(errors, []);
  });
});

test("the user's own texts: a good one is learned, a bad one is reported in a sentence", async () => {
  await withPage(`${server.url}#task=recurrent&text=own&words=100&units=4&bptt=4&batch=2`, PLAIN, async (page, errors) => {
    await ready(page);
    await page.click("#play");
    assert.match(await text(page, ".notices"), /need a text file: drop one on the page/);
    assert.equal(await page.getAttribute("#main", "data-phase"), "idle");
    const noticed = (pattern) => until(page, (pattern) => new RegExp(pattern).test(document.querySelector(".notices").textContent), pattern);
    await drop(page, "bad.txt", [103, 111, 10, 98, 255]);
    await noticed("bad\\.txt is not UTF-8 text: byte 5, on line 2, is invalid\\.");
    await drop(page, "empty.txt", " \n");
    await noticed("empty\\.txt has no words\\.");
    await drop(page, "short.txt", "One sentence. And another.");
    await noticed("The next search learns from short\\.txt");
    await page.click("#play");
    await noticed("Short\\.txt has 2 sentences, but at least 10 are needed");
    await drop(page, "mine.txt", tale("<b>cat</b>"));
    await noticed("The next search learns from mine\\.txt");
    await page.click("#step");
    await stepped(page, 1);
    assert.match(await text(page, "#facts"), /distinct of .* words of mine\.txt$/);
    assert.deepEqual(errors, []);
  });
});

test("a recorded recurrent run is shown at any moment, and its cell is shared and compared", async () => {
  await withRecording(server.url, { ...PLAIN, permissions: ["clipboard-read", "clipboard-write"] }, log, async (page, errors) => {
    assert.equal(await steps(page), 30);
    assert.match(await text(page, "#of-run"), /^events\.jsonl recurrent cell of 32 units, 16 columns, 10 words back, 3 epochs, 50 distinct of 1,000 words, seed 3$/);
    assert.equal((await shades(page)).split(",").length, 36 * 5);
    assert.equal(await text(page, "#sample"), "the <img src=x onerror=alert(1)> cat\nafter 30", "foreign text is text");
    assert.equal(await page.locator("img").count(), 0);
    assert.match(await text(page, "#valid-perplexity"), /^whole text \d+\.\d$/);
    const end = await kept(page, "recurrent");
    assert.equal(end.length, 8);
    await seek(page, 12);
    assert.equal(await text(page, "#sample"), "the <img src=x onerror=alert(1)> cat\nafter 10");
    assert.notDeepEqual(await kept(page, "recurrent"), end, "another cell was derived before");
    await page.click("#latest");
    // All edges with all their ops; pointing at a row shows its edge and its curve.
    await page.check("input[name=cell-view] >> nth=1", { force: true });
    assert.equal(await page.locator("#recurrent path.strand").count(), 36 * 5);
    await page.hover("#recurrent-row-7");
    assert.equal(await page.locator("#recurrent path.strand.lit").count(), 5);
    assert.equal(await page.locator("#entropy path.entropy.lit").count(), 1);
    await page.screenshot({ path: `${artefacts}/recurrent-relaxed-1440.png` });
    await page.check("input[name=cell-view] >> nth=0", { force: true });
    for (const name of ["DARTS_V2", "random"]) await page.selectOption("#add-cells", name);
    assert.equal(await page.locator("article.compared").count(), 3);
    assert.match(await text(page, ".columns"), /\d of 8 ops differ\./);
    assert.match(await text(page, ".columns"), /850 units and 10,000 words: 23\.0M parameters/);
    const csv = await saved(page, async () => {
      await page.click("#loss .menu summary");
      await page.getByRole("button", { name: "All curves as CSV" }).click();
    });
    assert.match(csv.bytes.toString(), /^step,train_loss,train_perplexity,validation_loss,validation_perplexity,recurrent_none,recurrent_tanh,/);
    await page.click(".actions .menu summary");
    await page.click("#copy-cells");
    const link = await page.evaluate(() => navigator.clipboard.readText());
    assert.match(link, /#.*&cell=r1\./);
    await page.setViewportSize({ width: 1440, height: 1200 });
    await page.screenshot({ path: `${artefacts}/recurrent-recorded-1440.png`, fullPage: true });
    assert.deepEqual(await findings(page), [], "accessible");
    await page.goto("about:blank");
    await page.goto(link);
    await page.waitForSelector("#recurrent figure.graph g[role=img]");
    assert.deepEqual(await kept(page, "recurrent"), end, "the link brings the cell back");
    // Cells of either kind are shown, each with its own search.
    await page.click(".paste summary");
    await page.fill("#pasted", "d1.s0s1s0s1s1i0i0d2.m0m1i2m1m0i2i2m1.0000");
    await page.click("#paste-show");
    assert.match(await text(page, ".problem"), /its check is 0000/);
    await page.selectOption("#task", "convolutional");
    assert.equal(await page.locator("#normal .heatmap").count(), 1);
    assert.equal(await page.locator("#recurrent").count(), 0);
    for (const [width, height] of [[1024, 768], [390, 844]]) await fits(page, width, height);
    assert.deepEqual(errors, []);
  });
});
