// The page served by the command line.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { get } from "node:http";
import { root } from "./browser.js";

export const DARTS = process.env.DARTS ?? `${process.env.CARGO_TARGET_DIR ?? `${root}target`}/release/darts`;

/**
 * Starts darts and waits for the address that it prints.
 * @param {string} words the command
 * @param {string} folder where
 * @returns {Promise<{ url: string, ended: Promise<number>, close: () => Promise<void> }>}
 */
export async function start(words, folder = root) {
  assert.ok(existsSync(DARTS), `${DARTS} is not built: cargo build --release --bin darts`);
  const program = spawn(DARTS, words.split(" "), { cwd: folder });
  const ended = new Promise((resolve) => program.on("exit", resolve));
  const url = await new Promise((resolve, reject) => {
    let said = "";
    const hear = (part) => {
      said += part;
      // It may arrive in pieces.
      const found = said.match(/http:\/\/\S+\/(?=\s)/);
      if (found) resolve(found[0]);
    };
    program.stdout.on("data", hear);
    program.stderr.on("data", hear);
    ended.then(() => reject(new Error(`darts ended: ${said}`)));
  });
  const close = async () => {
    program.kill("SIGKILL");
    await ended;
  };
  return { url, ended, close };
}

/** Serves a built page from its folder, on a port of its own. */
export const serve = (folder = `${root}dist`) => start(`explore --address 127.0.0.1:0 --page ${folder}`);

/** The bytes of a file sent to a browser that accepts these encodings. */
export const sent = (url, codings) =>
  new Promise((resolve, reject) => {
    get(url, { headers: { "accept-encoding": codings } }, (response) => {
      let bytes = 0;
      response.on("data", (part) => (bytes += part.length));
      response.on("end", () => resolve(bytes));
    }).on("error", reject);
  });
