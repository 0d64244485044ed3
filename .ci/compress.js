// Puts compressed forms beside the files of the built page, which the server sends to browsers that take them. Trunk runs
// this at the end of a build; what has not changed since the build before is taken from there, as it takes seconds.
const { constants, brotliCompressSync, gzipSync } = require("node:zlib");
const { copyFileSync, existsSync, readFileSync, readdirSync, writeFileSync } = require("node:fs");
const { join } = require("node:path");

const { TRUNK_STAGING_DIR: staging, TRUNK_DIST_DIR: dist } = process.env;
const FORMS = {
  br: (bytes) =>
    brotliCompressSync(bytes, {
      params: {
        // The best takes a minute for the engine, and makes it little smaller.
        [constants.BROTLI_PARAM_QUALITY]: bytes.length > 1e7 ? 9 : 11,
        [constants.BROTLI_PARAM_LGWIN]: constants.BROTLI_MAX_WINDOW_BITS,
        [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
      },
    }),
  gz: (bytes) => gzipSync(bytes, { level: 9 }),
};

for (const name of readdirSync(staging, { recursive: true }).filter((name) => /\.(css|js|svg|txt|wasm)$/.test(name))) {
  const bytes = readFileSync(join(staging, name));
  const before = join(dist, name);
  const same = existsSync(before) && readFileSync(before).equals(bytes);
  for (const [form, compress] of Object.entries(FORMS)) {
    if (same && existsSync(`${before}.${form}`)) copyFileSync(`${before}.${form}`, join(staging, `${name}.${form}`));
    else writeFileSync(join(staging, `${name}.${form}`), compress(bytes));
  }
}
