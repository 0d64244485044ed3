// A tab left running: no more memory after many steps than after some.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { built, ready, stepped, steps, withPage } from "./browser.js";
import { serve } from "./server.js";

// For longer: DARTS_TAB_STEPS=2000; on images and the software adapter with DARTS_TAB_DEVICE=webgpu.
const STEPS = Number(process.env.DARTS_TAB_STEPS ?? 400);
const WEBGPU = process.env.DARTS_TAB_DEVICE === "webgpu";
const SMALL = WEBGPU
  ? "#channels=2&cells=3&batch=2&images=400&epochs=1000"
  : "#task=recurrent&words=20&units=2&bptt=2&batch=2&epochs=1000";
const MOST_GROWTH = 50e6;

let server;
before(async () => {
  built();
  server = await serve();
});
after(() => server?.close());

/** Private bytes of each kind of Chromium's processes, after garbage collection. */
async function memory(page) {
  const session = await page.context().newCDPSession(page);
  await session.send("HeapProfiler.collectGarbage");
  await session.detach();
  const browser = await page.context().browser().newBrowserCDPSession();
  const { processInfo } = await browser.send("SystemInfo.getProcessInfo");
  await browser.detach();
  const held = {};
  for (const { type, id } of processInfo) {
    const status = await readFile(`/proc/${id}/status`, "utf8").catch(() => "");
    held[type] = (held[type] ?? 0) + 1024 * Number(status.match(/RssAnon:\s+(\d+)/)?.[1] ?? 0);
  }
  return held;
}

/** Waits for many steps, in short waits. */
async function far(page, least) {
  for (let next = 0; next < least; ) await stepped(page, (next = Math.min(next + 100, least)));
}

test("a tab that searches holds no more memory after many steps", { skip: process.platform !== "linux" }, async () => {
  const options = WEBGPU ? {} : { flags: "", webgpu: false };
  await withPage(server.url + SMALL, options, async (page, errors) => {
    await ready(page);
    await page.click("#play");
    // Moments are kept up to a maximum number; then every second one is dropped.
    await far(page, STEPS / 2);
    const [early, first, began] = [await memory(page), await steps(page), Date.now()];
    await far(page, STEPS);
    const [late, last, seconds] = [await memory(page), await steps(page), (Date.now() - began) / 1000];
    const grown = (type) => late[type] - early[type];
    const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;
    const each = Object.keys(late).map((type) => `${type} ${megabytes(late[type])} (${grown(type) < 0 ? "" : "+"}${megabytes(grown(type))})`);
    console.log(`${last - first} steps in ${seconds.toFixed(0)} s after the first ${first}: ${each.join(", ")}`);
    const most = MOST_GROWTH * Math.max(1, seconds / 3600);
    assert.ok(grown("renderer") < most && (grown("GPU") || 0) < most, "memory stays flat");
    assert.deepEqual(errors, []);
  });
});
