// The page in a real Chromium on software WebGPU. Build it first: `trunk build`.
import assert from "node:assert/strict";
import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { artefacts, built, fits, held, keptOps, ready, root, seek, shades, stepped, steps, text, until, withPage } from "./browser.js";
import { serve } from "./server.js";
import { answers, timing, traced } from "./tasks.js";

const SUBSET = "/data/cifar10.packed";
// Small enough for a software adapter, on real images.
const SMALL = "#channels=4&cells=3&batch=8&images=64&epochs=2&alr=0.01";

let server;
before(async () => {
  built();
  server = await serve();
});
after(() => server?.close());

// Time for which the main thread is traced while a search runs.
const WATCHED = 1000 * Number(process.env.DARTS_WATCHED_SECONDS ?? 12);
// Milliseconds from the press of a button or a key to the next paint.
const WATCH_INTERACTIONS = () => {
  globalThis.interactions = [];
  new PerformanceObserver((list) => {
    for (const event of list.getEntries()) if (event.interactionId) interactions.push(event.duration);
  }).observe({ type: "event", durationThreshold: 16, buffered: true });
};

test("a search on real images: alphas move, pause holds, a step is one, reset goes back", async () => {
  await withPage(server.url + SMALL, {}, async (page, errors, asked) => {
    await ready(page);
    assert.match(await text(page, "#adapter"), /swiftshader.*WebGPU/i);
    assert.equal(await keptOps(page, "normal"), 0, "nothing is derived before the search");
    const there = await page.evaluate(() => performance.now());

    await page.click("#play");
    await stepped(page, 1);
    const first = await page.evaluate(() => performance.now());
    console.log(`the engine was there ${(there / 1000).toFixed(1)} s after load, the first search step done after ${(first / 1000).toFixed(1)} s`);
    assert.ok(asked.includes(SUBSET));
    assert.match(await text(page, "#facts"), /weights, 64 CIFAR-10 images/);
    const early = await shades(page);
    assert.equal(early.split(",").length, 2 * 14 * 8);
    await stepped(page, 2);
    await page.click("#play");
    await held(page);
    const paused = await steps(page);
    assert.ok(paused >= 2);
    assert.notEqual(await shades(page), early, "the alphas moved");
    for (const name of ["loss", "accuracy"]) {
      const figures = (await text(page, `#${name} .halves`)).match(/\d+\.\d+/g)?.map(Number) ?? [];
      assert.equal(figures.length, 2, `${name} of both splits`);
      assert.ok(figures.every(Number.isFinite));
      if (name === "loss") assert.ok(figures.every((loss) => loss > 0));
    }
    for (const cell of ["normal", "reduce"]) assert.equal(await keptOps(page, cell), 8, `${cell} cell drawn`);
    for (const [width, height] of [[1440, 900], [1024, 768], [390, 844]]) {
      await fits(page, width, height);
      await page.screenshot({ path: `${artefacts}/search-${width}.png`, fullPage: true });
    }
    await page.setViewportSize({ width: 1440, height: 900 });

    // The moment before the first step shows another picture, and the latest comes back.
    const latest = await shades(page);
    await seek(page, 0);
    assert.notEqual(await shades(page), latest);
    assert.match(await text(page, "#moment"), /^step 0/);
    assert.equal(await steps(page), paused, "looking back changes nothing");
    await page.click("#latest");
    assert.equal(await shades(page), latest);

    // If the search had continued, the requested step would not be the next one.
    await page.click("#step");
    await stepped(page, paused + 1);
    await held(page);
    assert.equal(await steps(page), paused + 1, "a step is one step");

    await page.click("#reset");
    await until(page, () => document.querySelector("#main").dataset.phase === "idle");
    assert.equal(await steps(page), 0);
    assert.equal(await keptOps(page, "normal"), 0, "no cell is left over");

    // The same settings and seed give the same search again, even after a rehearsal.
    await page.waitForTimeout(2000);
    await page.click("#step");
    await stepped(page, 1);
    await held(page);
    assert.equal(await steps(page), 1);
    assert.equal(await shades(page), early, "a seed fixes the search");
    assert.deepEqual(errors, []);
  });
});

test("settings, address and keyboard", async () => {
  await withPage(`${server.url}#channels=4&batch=0&data=mnist`, { colorScheme: "dark" }, async (page, errors) => {
    await ready(page);
    const notices = await text(page, ".notices");
    assert.match(notices, /batch must be a whole number from 1 to 1024, not .0./);
    assert.match(notices, /data must be/);
    assert.equal(await page.inputValue("#channels"), "4");
    assert.equal(await page.inputValue("#batch"), "16", "the default is kept");

    await page.selectOption("#preset", "Quick look");
    assert.match(page.url(), /#data=cifar10&images=512&channels=4&cells=3&batch=16&epochs=5&lr=0\.025&alr=0\.01&seed=0$/);
    await page.fill("#images", "20");
    await page.press("#images", "Tab");
    await page.click("#play");
    await until(page, () => /batch-size is 16/i.test(document.querySelector(".notice.error")?.textContent ?? ""));
    assert.equal(await page.getAttribute("#main", "data-phase"), "idle", "an impossible search is not started");
    await page.fill("#seed", "-1");
    await page.press("#seed", "Tab");
    assert.equal(await page.inputValue("#seed"), "0", "an invalid value is restored");
    assert.match(await text(page, ".notices"), /Seed must be a whole number/);

    await page.focus("#normal .heatmap");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("ArrowDown");
    assert.equal(await page.getAttribute("#normal .heatmap", "aria-activedescendant"), "normal-row-1");
    assert.equal(await page.getAttribute("#normal-row-1", "aria-selected"), "true");
    await page.screenshot({ path: `${artefacts}/settings-1440-dark.png` });
    assert.deepEqual(errors, []);
  });
});

test("a search takes interventions, and the main thread stays free", async () => {
  await withPage(server.url + SMALL.replace("epochs=2", "epochs=30"), { init: WATCH_INTERACTIONS }, async (page, errors) => {
    await ready(page);
    await page.click("#play");
    await stepped(page, 1);
    const first = await steps(page);
    const tasks = await traced(page, () => page.waitForTimeout(WATCHED));
    console.log(`${(await steps(page)) - first} steps in ${WATCHED / 1000} s: ${timing(tasks)}`);
    // The user explores the page while the search runs.
    for (let row = 0; row < 6; row += 1) await page.click(`#normal-row-${row}`);
    await page.focus("#edge tr.op-3 button");
    await stepped(page, (await steps(page)) + 1);
    const focused = await page.evaluate(() => document.activeElement.getAttribute("aria-label"));
    assert.match(focused ?? "", /Lower the alpha of skip/, "a step leaves the focus where it is");
    await page.click("#normal-row-5");
    await page.keyboard.press("Tab");
    console.log(`from a press to the paint that follows: at most ${await page.evaluate(() => Math.max(0, ...interactions))} ms`);
    await page.click("#play");
    await held(page);

    await page.click("#normal-row-0");
    assert.match(await text(page, "#edge"), /ck.2 . 0[^]*Changes go to the search/);
    const skip = page.locator("#edge tr.op-3");
    await skip.getByRole("button", { name: /Keep only skip on this edge/ }).click();
    await until(page, () => document.querySelector("#edge tr.op-3 .number").textContent === "1.000");
    assert.equal(await text(page, "#edge tr.op-4 .number"), "out");
    await until(page, () => document.querySelectorAll("#normal g[role=img][aria-label^='skip_connect from c k minus 2 to node 0']").length === 1);
    const changed = (change) =>
      until(page, (change) => document.querySelector(".time-label").textContent.includes(change), change);
    await page.selectOption("#search-order", "second");
    await changed("second order");
    await page.check("#freeze");
    await changed("alphas frozen");
    await page.fill("#alr", "0.5");
    await page.press("#alr", "Tab");
    await changed("rates 0.025 and 0.5");
    const before = await shades(page);
    const step = await steps(page);
    await page.click("#step");
    await stepped(page, step + 1);
    await held(page);
    assert.equal(await shades(page), before, "frozen alphas stay");
    await page.fill("#alr", "0");
    await page.press("#alr", "Tab");
    assert.match(await text(page, ".notices"), /Alr must be a number above 0/);
    assert.equal(await page.inputValue("#alr"), "0.5");
    assert.deepEqual(errors, []);
    assert.ok(answers(tasks), `the page always answers: ${tasks.longest.join("\n")}`);
  });
});

test("on request, the page times steps and reports the same as the command line", async () => {
  await withPage(`${server.url}?bench#channels=4&cells=3&batch=8`, {}, async (page, errors) => {
    await ready(page);
    await page.click("#bench-start");
    await until(page, () => document.querySelector("#bench-figures, .notice.error"));
    assert.equal(await page.locator(".notice.error").count(), 0, (await page.locator(".notices").textContent()) ?? "");
    const figures = await text(page, "#bench-figures");
    assert.match(figures, /^4 channels, 3 cells, batch 8: 72854 weights$/m);
    for (const kind of ["weight step", "architecture step"]) {
      assert.match(figures, new RegExp(`^${kind} +[0-9.]+ ms .*\\d+ dispatches \\(\\d+ of Burn\\).*GFLOP/s$`, "m"));
    }
    assert.match(figures, /^ceilings +[0-9.]+ GFLOP\/s multiply-add, [0-9.]+ GB\/s copy$/m);
    assert.equal(figures.match(/\d+% of multiply-add, \d+% of copy/g)?.length, 2);
    assert.match(page.url(), /\?bench#.*channels=4&cells=3&batch=8/, "the address keeps both");
    await page.screenshot({ path: `${artefacts}/bench-1440.png` });
    assert.deepEqual(errors, []);
  });
});

test("without WebGPU the CPU searches, and the page says so", async () => {
  const small = "#channels=2&cells=3&batch=4&images=16&epochs=2&curvature=measured";
  await withPage(server.url + small, { flags: "", webgpu: false }, async (page, errors) => {
    await ready(page);
    assert.match(await text(page, ".unsupported summary"), /does not offer WebGPU.*The CPU computes instead/);
    const began = Date.now();
    await page.click("#step");
    await stepped(page, 1);
    await held(page);
    console.log(`the first step on the CPU took ${((Date.now() - began) / 1000).toFixed(1)} s`);
    assert.match(await text(page, "#adapter"), /CPU . Burn flex/);
    assert.equal(await keptOps(page, "normal"), 8);
    const early = await shades(page);
    await page.click("#step");
    await stepped(page, 2);
    assert.notEqual(await shades(page), early, "the alphas moved");
    // The curvature is measured after each epoch.
    assert.match(await text(page, "#curvature .now"), /^-?\d+\.\d{3}$/);
    await page.click(".unsupported summary");
    assert.match(await text(page, ".unsupported"), /Chrome[^]*Safari[^]*Firefox/);
    await page.screenshot({ path: `${artefacts}/no-webgpu-1440.png`, fullPage: true });
    // So does the other task.
    await page.click("#reset");
    await page.selectOption("#task", "recurrent");
    for (const [name, value] of [["words", 50], ["units", 4], ["bptt", 3], ["batch", 2]]) {
      await page.fill(`#${name}`, String(value));
      await page.press(`#${name}`, "Tab");
    }
    await page.click("#step");
    await stepped(page, 1);
    await until(page, () => document.querySelector("#sample"));
    assert.deepEqual(errors, []);
  });
});

/** Serves a copy of the page in which the images are these bytes, or are not there. */
async function withImages(bytes, use) {
  const folder = await mkdtemp(join(tmpdir(), "darts-altered-"));
  await cp(`${root}dist`, folder, { recursive: true });
  await rm(folder + SUBSET);
  if (bytes) await writeFile(folder + SUBSET, bytes);
  const altered = await serve(folder);
  try {
    await withPage(altered.url + SMALL, {}, use);
  } finally {
    await altered.close();
    await rm(folder, { recursive: true });
  }
}

test("without the real images the page takes generated textures and says so", async () => {
  await withImages(null, async (page) => {
    await ready(page);
    await page.click("#play");
    await until(page, () => document.querySelector(".notice"));
    assert.match(await text(page, ".notices"), /cifar10\.packed is missing[^]*generated textures instead/);
    await until(page, () => /64 generated textures/.test(document.querySelector("#facts").textContent));
    await page.screenshot({ path: `${artefacts}/textures-1440.png` });
  });
});

test("an image file that is cut off is reported", async () => {
  await withImages("DARTS", async (page) => {
    await ready(page);
    await page.click("#play");
    await until(page, () => document.querySelector(".notice"));
    assert.match(await text(page, ".notices"), /cifar10\.packed cannot be read \(.+\); the search learns from generated textures/);
  });
});
