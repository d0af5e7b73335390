// A page part with data-module="name" is given to the function registered under that name, once, also when htmx
// brings it later. What that function returns is called when htmx takes the part away.
const registered = new Map();
const started = new WeakMap();

export function register(name, init) {
  registered.set(name, init);
  if (document.readyState !== "loading") activate(document);
}

export function activate(root) {
  const found = [...root.querySelectorAll("[data-module]")];
  if (root.matches?.("[data-module]")) found.push(root);
  for (const element of found) for (const name of element.dataset.module.split(/\s+/)) start(element, name);
}

function start(element, name) {
  const init = registered.get(name);
  const cleanups = started.get(element) ?? new Map();
  if (!init || cleanups.has(name)) return;
  started.set(element, cleanups.set(name, null));
  cleanups.set(name, init(element) ?? null);
}

function stop(element) {
  for (const cleanup of started.get(element)?.values() ?? []) if (typeof cleanup === "function") cleanup();
  started.delete(element);
}

document.addEventListener("DOMContentLoaded", () => activate(document));
document.addEventListener("htmx:load", (event) => activate(event.detail.elt));
document.addEventListener("htmx:beforeCleanupElement", (event) => stop(event.detail.elt));
