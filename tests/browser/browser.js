// Shared by all tests of the page: a browser, and ways to wait for the page.
import assert from "node:assert/strict";
import { existsSync, mkdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

export const root = fileURLToPath(new URL("../../", import.meta.url));
export const artefacts = `${root}artefacts`;
export const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
export const QUIET =
  "--headless --no-sandbox --disable-background-networking --disable-component-update --disable-sync --disable-quic --no-first-run";
export const SOFTWARE = "--enable-unsafe-webgpu --use-webgpu-adapter=swiftshader --disable-gpu-watchdog";
// A software adapter compiles some hundred shaders before the first step is done.
const PATIENT = { timeout: 600_000 };

export function built() {
  assert.ok(existsSync(`${root}dist/index.html`), "dist holds no page: build it with `trunk build`");
  mkdirSync(artefacts, { recursive: true });
}

/**
 * Opens the page and runs `use` with it, every error it logs, and the path of every request to its server; requests to
 * other servers fail the test.
 */
export async function withPage(url, options, use) {
  const { flags = SOFTWARE, colorScheme = "light", webgpu = true, width = 1440, height = 900, init, permissions } = options;
  const browser = await chromium.launch({
    executablePath: CHROMIUM,
    args: `${QUIET} ${flags}`.split(" ").filter(Boolean),
  });
  try {
    const context = await browser.newContext({
      viewport: { width, height },
      colorScheme,
      // No picture is taken during an animation.
      reducedMotion: "reduce",
      permissions,
      acceptDownloads: true,
    });
    const page = await context.newPage();
    const errors = [];
    const [asked, strangers] = [[], []];
    page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
    page.on("pageerror", (error) => errors.push(String(error)));
    page.on("request", (request) => {
      const { origin, pathname, protocol } = new URL(request.url());
      asked.push(pathname);
      if (origin !== new URL(url).origin && !["blob:", "data:"].includes(protocol)) strangers.push(request.url());
    });
    if (!webgpu) await page.addInitScript(() => delete Navigator.prototype.gpu);
    if (init) await page.addInitScript(init);
    await page.goto(url);
    await use(page, errors, asked);
    assert.deepEqual(strangers, [], "every request stays on the page's own server");
  } finally {
    await browser.close();
  }
}

export const until = (page, condition, argument) => page.waitForFunction(condition, argument, PATIENT);
export const ready = (page) => until(page, () => document.querySelector("#status")?.textContent.startsWith("Ready"));
export const steps = (page) => page.evaluate(() => Number(document.querySelector("#main").dataset.steps));
export const text = (page, selector) => page.locator(selector).innerText();

/** Waits until `least` steps are done; an error that stops the search fails the test. */
export async function stepped(page, least) {
  await until(
    page,
    (n) => Number(document.querySelector("#main")?.dataset.steps) >= n || document.querySelector("#main")?.dataset.phase === "failed",
    least,
  );
  assert.equal(await page.locator(".notice.error").count(), 0, (await page.locator(".notices").textContent()) ?? "");
}

/** Waits until the worker reports that no step is in flight. */
export const held = (page) => until(page, () => document.querySelector("#main").dataset.activity === "holding");

export const shades = (page) =>
  page.evaluate(() => [...document.querySelectorAll("rect.heat")].map((rect) => rect.getAttribute("fill-opacity")).join());
export const keptOps = (page, cell) => page.locator(`#${cell} figure.graph g[role=img][aria-label*=" from "]`).count();

/** The ops kept by the cell that is drawn, and where they lead from and to. */
export const kept = (page, cell) =>
  page.evaluate((cell) => [...document.querySelectorAll(`#${cell} figure.graph g[role=img]`)].map((op) => op.getAttribute("aria-label").split(",")[0]), cell);

/** Waits until a recorded run is read. */
export const read = (page) =>
  until(page, () => document.querySelector("#main")?.dataset.phase === "recorded" && document.querySelector("#main").dataset.reading === "false");

/** Opens a file like the button. */
export const open = (page, file) => page.setInputFiles("#open-file", file);

/** Drops a file of these bytes, or of this text, on the page. */
export async function drop(page, name, body) {
  const data = await page.evaluateHandle(
    ([name, bytes]) => {
      const data = new DataTransfer();
      data.items.add(new File([new Uint8Array(bytes)], name));
      return data;
    },
    [name, [...Buffer.from(body)]],
  );
  await page.dispatchEvent("main", "drop", { dataTransfer: data });
}

/** Opens the page on a recorded run and runs `use` as `withPage` does. */
export const withRecording = (url, options, log, use) =>
  withPage(url, options, async (page, ...more) => {
    await open(page, log);
    await read(page);
    await use(page, ...more);
  });

/** Serious accessibility problems that axe finds. */
export async function findings(page) {
  const source = await readFile(createRequire(import.meta.url).resolve("axe-core"), "utf8");
  // The page's policy does not apply to code from the debugger.
  await page.evaluate(source);
  return page.evaluate(async () => {
    const { violations } = await globalThis.axe.run();
    return violations
      .filter(({ impact }) => ["serious", "critical"].includes(impact))
      .map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map((node) => `${node.html.slice(0, 140)} ${node.any[0]?.message ?? ""}`).join(" | ")}`);
  });
}

/** The file that a click saves: its name and its bytes. */
export async function saved(page, click) {
  const [download] = await Promise.all([page.waitForEvent("download"), click()]);
  const parts = [];
  for await (const part of await download.createReadStream()) parts.push(part);
  return { name: download.suggestedFilename(), bytes: Buffer.concat(parts) };
}

/** Moves the bar of time to a step. */
export async function seek(page, step) {
  await page.evaluate((step) => {
    const bar = document.querySelector("#scrubber");
    bar.value = String(step);
    bar.dispatchEvent(new Event("input", { bubbles: true }));
  }, step);
  await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
}

/** Checks that nothing overflows sideways. */
export async function fits(page, width, height) {
  await page.setViewportSize({ width, height });
  assert.ok(
    await page.evaluate(() => document.documentElement.scrollWidth <= document.documentElement.clientWidth),
    `nothing sticks out at ${width} pixels`,
  );
}

/** A text of 40 sentences that does not repeat itself from one column to the next. */
export const tale = (cat) =>
  Array.from({ length: 40 }, (_, i) => {
    const [who, did, where] = [[cat, "dog", "bird", "fish", "horse"][i % 5], ["sat", "ran", "slept"][i % 3], ["mat", "hill"][i % 2]];
    return `${i % 7 ? "The" : "One"} ${who} ${did} on the ${where}${i % 4 ? "." : "!"}`;
  }).join(" ");
