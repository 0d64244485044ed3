// The page in a real Chromium on software WebGPU. Build it first: `trunk build`.
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { after, before, test } from "node:test";
import { chromium } from "playwright-core";
import { serve } from "./server.js";

const root = fileURLToPath(new URL("../../", import.meta.url));
const artefacts = `${root}artefacts`;
// Small enough for a processor that emulates a GPU, on real images.
const SMALL = "#channels=4&cells=3&batch=8&images=64&epochs=2&alr=0.01";
const QUIET =
  "--headless --no-sandbox --disable-background-networking --disable-component-update --disable-sync --disable-quic --no-first-run";
const SOFTWARE = "--enable-unsafe-webgpu --use-webgpu-adapter=swiftshader --disable-gpu-watchdog";
// An emulated GPU compiles some hundred shaders before the first step is done.
const PATIENT = { timeout: 600_000 };

let server;
before(async () => {
  mkdirSync(artefacts, { recursive: true });
  server = await serve(`${root}dist`);
});
after(() => server.close());

async function open(url, { flags = SOFTWARE, viewport = { width: 1440, height: 900 }, colorScheme = "light" } = {}) {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: `${QUIET} ${flags}`.split(" ").filter(Boolean),
  });
  const page = await browser.newPage({ viewport, colorScheme });
  const errors = [];
  page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
  page.on("pageerror", (error) => errors.push(String(error)));
  await page.goto(url);
  return { browser, page, errors };
}

const status = (page, start) =>
  page.waitForFunction((text) => document.querySelector("#status")?.textContent.startsWith(text), start, PATIENT);
const steps = (page) => page.evaluate(() => Number(document.querySelector("#main").dataset.steps));
const stepped = (page, least) =>
  page.waitForFunction(
    (n) => {
      const { steps, phase } = document.querySelector("#main").dataset;
      return Number(steps) >= n || phase === "failed";
    },
    least,
    PATIENT,
  );
const shades = (page) =>
  page.evaluate(() => [...document.querySelectorAll("#normal rect.heat, #reduce rect.heat")].map((r) => r.getAttribute("fill-opacity")).join());
const keptOps = (page, cell) => page.locator(`#${cell} figure.graph g[role=img][aria-label*=" from "]`).count();

test("a search on real images: alphas move, pause holds, a step is one, reset goes back", async () => {
  const { browser, page, errors } = await open(server.url + SMALL);
  try {
    await status(page, "Ready");
    assert.match(await page.locator("#adapter").textContent(), /WebGPU/);
    assert.ok(server.asked.includes("/data/cifar10.packed") || (await page.locator("#data").inputValue()) !== "textures");
    await page.click("#play");
    await stepped(page, 1);
    assert.equal(await page.locator(".notice.error").count(), 0, (await page.locator(".notices").textContent()) || "");
    const first = await shades(page);
    await stepped(page, 2);
    await page.click("#play");
    await page.waitForFunction(() => document.querySelector("#main").dataset.activity === "holding", null, PATIENT);
    const held = await steps(page);
    assert.ok(held >= 2);
    assert.notEqual(await shades(page), first, "the alphas moved");
    const loss = Number.parseFloat((await page.locator("#loss header").textContent()).match(/\d+\.\d+/)?.[0]);
    assert.ok(Number.isFinite(loss) && loss > 0, `loss ${loss}`);
    for (const cell of ["normal", "reduce"]) assert.equal(await keptOps(page, cell), 8, `${cell} cell drawn`);
    await page.screenshot({ path: `${artefacts}/search-1440.png` });
    await page.setViewportSize({ width: 390, height: 844 });
    assert.ok(
      await page.evaluate(() => document.documentElement.scrollWidth <= document.documentElement.clientWidth),
      "nothing sticks out at phone width",
    );
    await page.screenshot({ path: `${artefacts}/search-390.png`, fullPage: true });
    await page.setViewportSize({ width: 1440, height: 900 });
    assert.equal(await steps(page), held, "pause holds");
    await page.click("#step");
    await stepped(page, held + 1);
    await page.waitForFunction(() => document.querySelector("#main").dataset.activity === "holding", null, PATIENT);
    assert.equal(await steps(page), held + 1, "a step is one step");
    await page.click("#reset");
    await page.waitForFunction(() => document.querySelector("#main").dataset.steps === "0", null, PATIENT);
    assert.deepEqual(errors, []);
  } finally {
    await browser.close();
  }
});

test("without WebGPU the page says what to do", async () => {
  const { browser, page } = await open(server.url, { flags: "--disable-features=WebGPU", colorScheme: "dark" });
  try {
    await page.addInitScript(() => Object.defineProperty(Navigator.prototype, "gpu", { value: undefined }));
    await page.waitForSelector("#unsupported", PATIENT);
    assert.match(await page.locator("#unsupported").textContent(), /WebGPU/);
    await page.screenshot({ path: `${artefacts}/no-webgpu-1440.png` });
  } finally {
    await browser.close();
  }
});

test("without the real images the page takes generated textures and says so", async () => {
  const bare = await serve(`${root}dist`, { replace: (path) => (path.endsWith("cifar10.packed") ? null : undefined) });
  const { browser, page } = await open(bare.url + SMALL);
  try {
    await status(page, "Ready");
    await page.click("#play");
    await page.waitForFunction(() => /texture/i.test(document.querySelector(".notices")?.textContent ?? ""), null, PATIENT);
    await page.screenshot({ path: `${artefacts}/textures-1440.png` });
  } finally {
    await browser.close();
    await bare.close();
  }
});
