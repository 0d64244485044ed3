// Starts the page's module; the address of this script names its two files, which carry hashes.
const query = new URL(import.meta.url).searchParams;
try {
  const { default: init } = await import(new URL(query.get("js"), import.meta.url));
  await init({ module_or_path: new URL(query.get("wasm"), import.meta.url) });
} catch (error) {
  const boot = document.getElementById("boot");
  if (!boot) throw error;
  boot.querySelector("p").textContent =
    `The page could not start: ${error instanceof Error ? error.message : error}. It needs a browser with WebAssembly.`;
  console.error(error);
}
