// Networks of two cells trained from scratch in the page.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { artefacts, built, fits, ready, text, until, withPage } from "./browser.js";
import { serve } from "./server.js";

let server;
before(async () => {
  built();
  server = await serve();
});
after(() => server?.close());

test("given cells and random ones are trained side by side, and the verdict says how much may be chance", async () => {
  await withPage(`${server.url}#channels=2&cells=3&batch=32&images=64`, { flags: "", webgpu: false }, async (page, errors) => {
    await ready(page);
    assert.equal(await page.locator("#training").count(), 0, "nothing to train yet");
    await page.click(".paste summary");
    await page.fill("#pasted", "DARTS_V2");
    await page.click("#paste-show");
    await page.selectOption("#add-cells", "NASNet");
    assert.match(await text(page, "#training"), /3 cells of 2 channels at first and learn up to 64 images in batches of 32/);
    await page.fill("#race-epochs", "0");
    await page.press("#race-epochs", "Tab");
    assert.match(await text(page, ".notices"), /Epochs must be a whole number from 1 to 1000/);
    assert.equal(await page.inputValue("#race-epochs"), "5", "an invalid value is restored");
    await page.fill("#race-epochs", "2");
    await page.press("#race-epochs", "Tab");
    await page.click("#race");
    await until(page, () => /After epoch 1 of 2/.test(document.querySelector("#verdict")?.textContent ?? ""));
    await until(page, () => /After epoch 2 of 2/.test(document.querySelector("#verdict").textContent) && document.querySelector("#race"));
    const verdict = await text(page, "#verdict");
    assert.match(verdict, /\d+\.\d% and \d+\.\d% of \d+ test images are classified correctly\. The difference of \d+\.\d points has a standard error of \d\.\d: .*One run each, seed 0\./);
    assert.match(await text(page, ".runners"), /The given cells[^]*\d+ weights, loss \d+\.\d+, \d+\.\d% right[^]*Random cells, seed 0[^]*\d+ weights, loss/);
    for (const plot of [0, 1]) {
      const lines = page.locator(`#training svg.plot >> nth=${plot} >> path.bold`);
      for (const line of [0, 1]) assert.ok((await lines.nth(line).getAttribute("d")).includes("L"), "a curve of both");
    }
    await page.locator("#training").screenshot({ path: `${artefacts}/training-1440.png` });
    // The same seed trains the same networks again; another cell is another curve.
    const curve = await page.locator("#training svg.plot >> nth=0 >> path.each >> nth=0").getAttribute("d");
    await page.selectOption("#rival", { label: "NASNet-A" });
    await page.click("#race");
    await until(page, () => /NASNet-A/.test(document.querySelector(".runners").textContent));
    await page.click("#race-stop");
    assert.equal(await page.locator("#race").count(), 1);
    await page.selectOption("#rival", { index: 0 });
    await page.click("#race");
    await until(page, () => /After epoch 2 of 2/.test(document.querySelector("#verdict")?.textContent ?? ""));
    assert.equal(await text(page, "#verdict"), verdict, "a seed fixes both");
    assert.equal(await page.locator("#training svg.plot >> nth=0 >> path.each >> nth=0").getAttribute("d"), curve);
    await fits(page, 390, 844);
    assert.deepEqual(errors, []);
  });
});
