// Recorded runs, comparing, sharing and accessibility: nothing here needs WebGPU.
import assert from "node:assert/strict";
import { mkdtemp, readFile, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import {
  artefacts, built, drop, findings, fits, kept, keptOps, open, read, root, saved, seek, shades, steps, text, until, withPage, withRecording,
} from "./browser.js";
import { lines, writeLog, writeLongLog } from "./recording.js";
import { sent, serve } from "./server.js";
import { answers, timing, traced } from "./tasks.js";

const PLAIN = { flags: "", webgpu: false };

let server;
let folder;
let log;
before(async () => {
  built();
  server = await serve();
  folder = await mkdtemp(join(tmpdir(), "darts-page-"));
  log = join(folder, "events.jsonl");
  await writeLog(log, 3, 10);
});
after(async () => {
  await server?.close();
  await rm(folder, { recursive: true, force: true });
});

test("a recorded run is shown as a live one, at any moment", async () => {
  await withRecording(server.url, PLAIN, log, async (page, errors) => {
    assert.equal(await steps(page), 30);
    assert.match(await text(page, "#of-run"), /^events\.jsonl 3 cells of 4 channels, batch 16, 3 epochs of 10 steps, 320 images, seed 3$/);
    assert.match(await text(page, "#adapter"), /an <img src=x onerror=alert\(1\)> adapter/, "foreign text is text");
    assert.equal(await page.locator("img").count(), 0);
    for (const cell of ["normal", "reduce"]) assert.equal(await keptOps(page, cell), 8);
    const end = await shades(page);
    const endCells = await kept(page, "normal");
    await seek(page, 12);
    assert.match(await text(page, "#moment"), /^step 12 . epoch 2 of 3$/);
    assert.notEqual(await shades(page), end);
    assert.notDeepEqual(await kept(page, "normal"), endCells, "other cells were derived before");
    await page.waitForURL(/at=12/);
    // From change to change.
    await page.click("#change-after");
    const change = Number((await text(page, "#moment")).match(/\d+/)[0]);
    assert.ok(change > 12);
    const changed = await kept(page, "normal");
    await seek(page, change - 1);
    assert.notDeepEqual(await kept(page, "normal"), changed, "the mark stands where the cells change");
    // By keyboard.
    await page.focus("#scrubber");
    await page.keyboard.press("Home");
    assert.match(await text(page, "#moment"), /^step 0 /);
    await page.keyboard.press("ArrowRight");
    assert.match(await text(page, "#moment"), /^step 1 /);
    assert.match(await text(page, "#loss .halves"), /2\.400[^]*2\.450/, "the figures are of that moment");
    // As a film, to its end.
    await page.click("#play");
    await page.waitForFunction(() => /^step ([5-9]|1\d)/.test(document.querySelector("#moment").textContent), null, { timeout: 20_000 });
    await page.click("#play");
    const stopped = await text(page, "#moment");
    await page.waitForTimeout(700);
    assert.equal(await text(page, "#moment"), stopped);
    await page.click("#latest");
    assert.equal(await shades(page), end);
    await page.click("#reset");
    assert.equal(await steps(page), 0);
    assert.equal(await page.getAttribute("#main", "data-phase"), "idle");
    assert.deepEqual(errors, []);
  });
});

test("logs of version 1 are shown", async () => {
  await withPage(server.url, PLAIN, async (page, errors) => {
    await drop(page, "events.jsonl", await readFile(`${root}app/src/version1/images.jsonl`, "utf8"));
    await read(page);
    assert.match(await text(page, "#of-run"), /^events\.jsonl 3 cells of 2 channels, batch 2, 1 epochs of 2 steps, 8 images, seed 0$/);
    assert.equal(await steps(page), 2);
    assert.equal(await keptOps(page, "normal"), 8);
    assert.match(await text(page, "#curvature .now"), /^0\.020$/);
    await drop(page, "events.jsonl", await readFile(`${root}app/src/version1/text.jsonl`, "utf8"));
    await read(page);
    assert.match(await text(page, "#of-run"), /recurrent cell of 4 units, 8 columns, 20 words back, 1 epochs, 8 distinct of 602 words, seed 0$/);
    assert.equal(await text(page, "#sample"), "one two three\nfour");
    assert.match(await text(page, "#valid-perplexity"), /^whole text 8\.0$/);
    assert.deepEqual(errors, []);
  });
});

test("dropped files: a truncated log is shown as far as it goes, other files are refused", async () => {
  await withPage(server.url, PLAIN, async (page, errors) => {
    const whole = await readFile(log, "utf8");
    await drop(page, "events.jsonl", whole.slice(0, whole.length * 0.6));
    await until(page, () => document.querySelector(".notice.error"));
    assert.match(await text(page, ".notices"), /events\.jsonl, .*line \d+: it ends in the middle of an event\. The part before it is shown\./i);
    const shown = await steps(page);
    assert.ok(shown > 10 && shown < 30, `${shown}`);
    await drop(page, "other.jsonl", '{"type":"<script>alert(1)</script>"}\n');
    await until(page, () => /other\.jsonl, Line 1: unknown variant/.test(document.querySelector(".notices").textContent));
    assert.equal(await page.getAttribute("#main", "data-phase"), "idle", "a refused log is not shown");
    await drop(page, "cells.py", "Genotype(normal=[('skip_connect', 0)])");
    await until(page, () => /cells\.py: This is not a genotype/.test(document.querySelector(".notices").textContent));
    // Whatever a log contains, the page keeps working.
    let random = 9;
    const pick = (n) => (random = (random * 1103515245 + 12345) % 2147483648) % n;
    for (let i = 0; i < 12; i += 1) {
      let mutated = whole;
      for (let j = 0; j < 8; j += 1) {
        const at = pick(mutated.length);
        mutated = mutated.slice(0, at) + '0123456789-eE.[]{},:"\n\u0000<é'[pick(27)] + mutated.slice(at + pick(3));
      }
      await drop(page, `mutated-${i}.jsonl`, mutated);
      await page.waitForFunction(() => document.querySelector("#main").dataset.reading === "false");
    }
    await drop(page, "events.jsonl", whole);
    await read(page);
    await until(page, () => document.querySelector("#main").dataset.steps === "30");
    assert.deepEqual(errors, []);
  });
});

test("views, linked pointing, what-if, entropy and collapse", async () => {
  await withRecording(server.url, PLAIN, log, async (page, errors) => {
    const weights = await shades(page);
    await page.check("input[name=heat-view] >> nth=1", { force: true });
    const alphas = await shades(page);
    await page.check("input[name=heat-view] >> nth=2", { force: true });
    assert.ok(new Set([weights, alphas, await shades(page)]).size === 3, "three views");
    assert.ok((await page.locator("rect.heat.falls").count()) > 50, "what lost is red");
    await page.check("input[name=cell-view] >> nth=1", { force: true });
    assert.equal(await page.locator("#normal path.strand").count(), 14 * 8);
    await page.waitForURL(/view=relaxed&show=change/);
    await page.check("input[name=cell-view] >> nth=0", { force: true });
    // Pointing at a row shows its edge, its op and its curve.
    await page.hover("#normal-row-1");
    assert.equal(await page.locator("#normal path.link.lit").count(), 2);
    assert.equal(await page.locator("#entropy path.entropy.lit").count(), 1);
    assert.match(await text(page, "#normal .graph figcaption"), /ck.1 . 0: .*parameters?, .*multiply-accumulates/);
    await page.click("#normal-row-1");
    await page.mouse.move(5, 5);
    assert.equal(await page.locator("#normal path.link.lit").count(), 2, "a selected edge stays");
    assert.match(await text(page, "#edge"), /\d\.\d{3} bits/);
    // An intervention is tried out on the pictures.
    const cells = await kept(page, "normal");
    const row = page.locator("#edge tr.op-7");
    await row.getByRole("button", { name: "only" }).click();
    assert.match(await text(page, ".what-if"), /What if: normal ck.1 . 0 only dil 5.5/);
    assert.notDeepEqual(await kept(page, "normal"), cells);
    assert.ok((await kept(page, "normal")).some((op) => /dil_conv_5x5 from c k minus 1 to node 0/.test(op)));
    await page.getByRole("button", { name: "Undo" }).click();
    assert.deepEqual(await kept(page, "normal"), cells);
    await page.click("#edge .dismiss");
    assert.match(await text(page, "#skips"), /^(collapse: )?\d \+ \d skips kept$/);
    assert.match(await text(page, "#entropy .now"), /mean [0-2]\.\d{3} bits/);
    assert.deepEqual(errors, []);
  });
});

test("any cells are compared, and the address brings it all back", async () => {
  await withRecording(`${server.url}#beside=DARTS_V2,NASNet`, PLAIN, log, async (page, errors) => {
    // The columns come with the run, which is read after the page is there.
    await page.locator("article.compared >> nth=1 >> .op.differs").first().waitFor({ state: "attached" });
    assert.equal(await page.locator("article.compared").count(), 3);
    assert.ok((await page.locator("article.compared >> nth=1 >> .op.differs").count()) > 3);
    for (const name of ["AmoebaNet", "random", "DARTS_V1"]) await page.selectOption("#add-cells", name);
    assert.equal(await page.locator("article.compared").count(), 6);
    assert.equal(await page.isDisabled("#add-cells"), true, "no more fit");
    assert.match(await text(page, ".columns"), /3\.35M parameters, 5\d\dM multiply-accumulates/);
    assert.match(await text(page, ".columns"), /DARTS \(second order\) \+ cutout: 2\.76 ± 0\.09% test error/);
    await page.waitForURL(/beside=DARTS_V2,NASNet,AmoebaNet,random\.\d+,DARTS_V1$/);
    const address = page.url();
    const stills = await page.locator("article.compared >> nth=4 >> .code").innerText();
    await page.goto("about:blank");
    await page.goto(address);
    await page.waitForSelector("article.compared");
    assert.equal(await page.locator("article.compared").count(), 5, "no run, no column of its own");
    assert.equal(await page.locator("article.compared >> nth=3 >> .code").innerText(), stills, "random cells come back");
    // Pasted cells, in Python; invalid ones are reported.
    await page.click("article.compared >> nth=0 >> .dismiss");
    await page.click(".paste summary");
    await page.fill("#pasted", "Genotype(normal=[('sep_conv_3x3', 9)])");
    await page.click("#paste-compare");
    assert.match(await text(page, ".problem"), /This is not a genotype/);
    await page.fill("#pasted", "d1.s0s1s0s1s1i0i0d2.m0m1i2m1m0i2i2m1.0000");
    await page.click("#paste-show");
    assert.match(await text(page, ".problem"), /its check is 0000/);
    await page.fill("#pasted", "DARTS_V2");
    await page.click("#paste-show");
    assert.equal(await keptOps(page, "normal"), 8);
    await page.waitForURL(/cell=d1\.s0s1s0s1s1i0i0d2\./);
    const shared = page.url();
    await page.goto("about:blank");
    await page.goto(shared);
    await page.waitForSelector("#normal figure.graph g[role=img]");
    assert.match((await kept(page, "normal")).join(), /sep_conv_3x3 from c k minus 2 to node 0/);
    // A recorded run beside another.
    await page.setInputFiles("#add-file", log);
    await page.waitForFunction(() => document.querySelectorAll("article.compared").length === 6);
    assert.match(await text(page, ".columns"), /events\.jsonl/);
    for (const [width, height] of [[1440, 900], [390, 844]]) {
      await fits(page, width, height);
      await page.screenshot({ path: `${artefacts}/compare-${width}.png`, fullPage: true });
    }
    assert.deepEqual(errors, []);
  });
});

test("a wrong address is reported, and none of it runs", async () => {
  const wrong = "#view=<img src=x onerror=alert(1)>&cell=d1.x&beside=<b>&at=99999999999&channels=4";
  await withPage(server.url + wrong, PLAIN, async (page, errors) => {
    await page.waitForSelector(".notice.error");
    assert.equal(await page.locator(".notice.error").count(), 3);
    assert.match(await text(page, ".notices"), /view must be one of derived, relaxed/);
    assert.equal(await page.locator("img").count(), 0);
    assert.deepEqual(errors, []);
  });
});

test("pictures, tables, cells and films are saved", async () => {
  await withRecording(server.url, { ...PLAIN, permissions: ["clipboard-read", "clipboard-write"] }, log, async (page, errors) => {
    const save = (section, label) =>
      saved(page, async () => {
        await page.click(`${section} .menu summary`);
        await page.locator(`${section} .menu-list`).getByRole("button", { name: label }).click();
      });
    const graph = await save("#normal", "Graph as SVG");
    assert.equal(graph.name, "normal-cell.svg");
    assert.match(graph.bytes.toString(), /^<svg[^>]*xmlns="http:\/\/www\.w3\.org\/2000\/svg"/);
    assert.doesNotMatch(graph.bytes.toString(), /class=|var\(/, "it looks the same without the style sheet");
    await writeFile(`${artefacts}/saved-graph.svg`, graph.bytes);
    const heatmap = await save("#reduce", "Heatmap as PNG");
    assert.equal(heatmap.bytes.subarray(1, 4).toString(), "PNG");
    assert.equal(heatmap.bytes.readUInt32BE(16), 3 * 372);
    await writeFile(`${artefacts}/saved-heatmap.png`, heatmap.bytes);
    const curves = (await save("#loss", "All curves as CSV")).bytes.toString().trim().split("\n");
    assert.equal(curves.length, 31);
    assert.match(curves[0], /^step,train_loss,train_accuracy,validation_loss,validation_accuracy,normal_none,/);
    assert.match(curves[1], /^1,2\.4,0\.1,2\.45,0\.1,/);
    assert.equal((await save("#entropy", "Entropy as CSV")).bytes.toString().trim().split("\n").length, 32);
    const last = JSON.parse([...lines(3, 10)].at(-1)).genotype;
    assert.deepEqual(JSON.parse((await save("#normal", "Both cells as JSON")).bytes), last);
    assert.match((await save("#normal", "Both cells as Python")).bytes.toString(), /^Genotype\(normal=\[\('/);
    assert.match((await save("#normal", "Both cells for Graphviz")).bytes.toString(), /^digraph/);
    await page.click(".actions .menu summary");
    await page.click("#copy-cells");
    assert.match(await page.evaluate(() => navigator.clipboard.readText()), /#.*&cell=d1\./);
    const film = await saved(page, async () => {
      await page.click("#time .menu summary");
      await page.click("#film");
    });
    assert.equal(film.name, "search.webm");
    assert.equal(film.bytes.readUInt32BE(0), 0x1a45dfa3, "a film begins as WebM does");
    assert.ok(film.bytes.length > 50_000, `${film.bytes.length}`);
    assert.deepEqual(errors, []);
  });
});

test("accessibility: no serious finding of axe, light and dark, wide and narrow, and the tour by keyboard", async () => {
  for (const [colorScheme, width, height] of [["light", 1440, 900], ["dark", 1024, 768], ["light", 390, 844], ["dark", 390, 844]]) {
    await withRecording(`${server.url}#beside=DARTS_V2`, { ...PLAIN, colorScheme, width, height }, log, async (page, errors) => {
      await page.click("#normal-row-2");
      await page.mouse.move(1, 1);
      await fits(page, width, height);
      assert.deepEqual(await findings(page), [], `${colorScheme} at ${width}`);
      await page.screenshot({ path: `${artefacts}/recorded-${width}-${colorScheme}.png`, fullPage: true });
      if (width === 1440) {
        await page.focus("#start-tour");
        await page.keyboard.press("Enter");
        for (let step = 1; step <= 5; step += 1) {
          assert.match(await text(page, "#tour"), new RegExp(`${step} of 5`));
          if (step === 2) await page.screenshot({ path: `${artefacts}/tour-1440.png` });
          await page.keyboard.press("Enter");
        }
        assert.equal(await page.locator("#tour").count(), 0);
        await page.hover(".term >> nth=0");
        assert.ok(await page.locator(".tip >> nth=0").isVisible());
      }
      assert.deepEqual(errors, []);
    });
  }
});

test("after the first visit the page starts without its server", async () => {
  const own = await serve();
  await withPage(own.url, PLAIN, async (page, errors) => {
    const kept = async () => {
      const cache = await caches.open("darts-page");
      return navigator.serviceWorker.controller && (await cache.match("./")) && (await cache.match("worker_bg.wasm"));
    };
    await page.waitForFunction(kept, null, { timeout: 60_000 });
    // The last requested file may not exist.
    await page.waitForTimeout(1000);
    await own.close();
    await page.reload();
    await page.waitForSelector("#play");
    await open(page, log);
    await read(page);
    assert.equal(await steps(page), 30);
    assert.deepEqual(errors.filter((error) => !/ERR_CONNECTION_REFUSED|Failed to load resource/.test(error)), []);
  });
});

/** Moves the bar of time through a run of so many steps, and returns the time of each moment in milliseconds, in ascending order. */
const scrub = (page, all) =>
  page.evaluate(async (all) => {
    const bar = document.querySelector("#scrubber");
    const times = [];
    for (let i = 0; i <= 200; i += 1) {
      const at = performance.now();
      bar.value = String(Math.round((all * i) / 200));
      bar.dispatchEvent(new Event("input", { bubbles: true }));
      await Promise.resolve();
      document.body.getBoundingClientRect();
      times.push(performance.now() - at);
      await new Promise((resolve) => requestAnimationFrame(resolve));
    }
    return times.sort((a, b) => a - b);
  }, all);

test("a long run is read and scrubbed without blocking the page; sizes and times", async () => {
  const long = join(folder, "long.jsonl");
  const all = await writeLongLog(long, 100e6);
  const { size } = await stat(long);
  await withPage(server.url, PLAIN, async (page, errors) => {
    await page.waitForSelector("#play");
    const paint = await page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? -1);
    const shown = await page.evaluate(() => performance.now());
    const began = Date.now();
    const reading = await traced(page, async () => {
      await open(page, long);
      await read(page);
    });
    const seconds = (Date.now() - began) / 1000;
    assert.equal(await steps(page), all);
    const memory = await page.evaluate(() => performance.memory?.usedJSHeapSize ?? 0);
    let frames;
    const scrubbing = await traced(page, async () => {
      frames = await scrub(page, all);
    });
    console.log(`first paint ${paint.toFixed(0)} ms, page there after ${shown.toFixed(0)} ms`);
    console.log(`a log of ${(size / 1e6).toFixed(0)} MB, 1000 epochs, ${all} steps, read in ${seconds.toFixed(1)} s: ${timing(reading)}`);
    console.log(`JavaScript heap ${(memory / 1e6).toFixed(0)} MB`);
    console.log(`scrubbing: median ${frames[100].toFixed(1)} ms a moment, worst ${frames.at(-1).toFixed(1)} ms: ${timing(scrubbing)}`);
    assert.ok(frames[100] < 50, "half of the moments are there within 50 ms");
    assert.ok(answers(scrubbing), scrubbing.longest.join("\n"));
    assert.deepEqual(errors, []);
  });
  // What a browser fetches first, and what it fetches for the engine.
  const files = await readdir(`${root}dist`);
  for (const [what, pattern] of [["the page", /^(page|style|start|browser).*\.(js|wasm|css)$/], ["the engine", /^(worker|engine).*\.(js|wasm)$/]]) {
    const sizes = ["identity", "gzip", "gzip, br"].map(async (codings) => {
      const each = files.filter((name) => pattern.test(name)).map((name) => sent(server.url + name, codings));
      return (await Promise.all(each)).reduce((sum, bytes) => sum + bytes, 0) / 1e6;
    });
    const [whole, gzip, brotli] = await Promise.all(sizes);
    console.log(`${what}: ${whole.toFixed(2)} MB, sent as ${gzip.toFixed(2)} MB with gzip and ${brotli.toFixed(2)} MB with brotli`);
    assert.ok(brotli < 4.5 && brotli < gzip && gzip < whole / 2, "it is sent compressed");
  }
});
