// The search page: results as one types, filters, chips, and everything by keyboard. Without scripts it is a form.
import htmx from "./htmx.js";
import { register } from "./modules.js";
import { tell, tellFailure } from "./messages.js";

const TYPED_WAIT = 250; // milliseconds of silence after a key
const STANDS_AFTER = 2000; // milliseconds after which a typed query counts as meant
const LONGEST = 4_000; // bytes of a query in an address: three headers of at most 16 kB together may name the address
const TEXTS = ["search", "text"];

let stands = true; // whether what is shown is meant, and not on its way to something else

const form = () => document.getElementById("search-form");
const shown = (element) => element.checkVisibility();
const say = (text) => {
  const status = document.getElementById("search-said");
  if (status && text) status.textContent = text.trim();
};

register("search-page", (form) => {
  const field = form.elements.q;
  let timer = null;
  let asked = queryOf(form);
  let last = null; // the request on its way: a later one ends it, so that no older answer comes after a newer one

  const ask = async (typed) => {
    clearTimeout(timer);
    const query = queryOf(form);
    if (query === asked) return;
    asked = query;
    last?.abort();
    const mine = (last = new AbortController());
    busy(true);
    const headers = { "HX-Request": "true", ...(typed && { "X-Search-Typed": "1" }) };
    const answer = await fetch(`${form.action}?${query}`, { headers, signal: mine.signal }).catch(() => null);
    const text = answer?.ok && !answer.redirected ? await answer.text().catch(() => null) : null;
    if (mine.signal.aborted) return;
    busy(false);
    if (text !== null) return show(answer.headers, text);
    asked = null; // so that the same can be asked again
    if (answer?.redirected) location.reload(); // logged out meanwhile
    else tellFailure(answer?.status ?? 0);
  };
  const input = ({ target }) => {
    if (target.dataset.narrows || !target.name) return;
    if (target === field && field.value) form.querySelector("[name=like]")?.remove();
    if (!TEXTS.includes(target.type)) return;
    clearTimeout(timer);
    timer = setTimeout(ask, TYPED_WAIT, true);
  };
  const change = ({ target }) => {
    if (target.name === "memory") alone(form);
    if (target.name && !TEXTS.includes(target.type)) ask(false);
  };
  form.addEventListener("input", input);
  form.addEventListener("change", change);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    ask(false);
  });
  narrowing(form);
  alone(form);
  panel(form);
  return () => {
    clearTimeout(timer);
    last?.abort();
  };
});

function queryOf(form) {
  const pairs = [...new FormData(form)].filter(([, value]) => value !== "");
  return new URLSearchParams(pairs.map(([name, value]) => [name, name === "q" ? bearable(value) : value])).toString();
}

// As much of a query as an address can bear. The server may write in three bytes what the browser writes in one.
function bearable(query) {
  const encoder = new TextEncoder();
  let [bytes, end] = [0, 0];
  for (const character of query) {
    bytes += /[A-Za-z0-9 _.-]/.test(character) ? 1 : 3 * encoder.encode(character).length;
    if (bytes > LONGEST) return query.slice(0, end);
    end += character.length;
  }
  return query;
}

// Says so where the field holds more than was searched for; who reloads finds in it what was searched for.
function noteCut(results) {
  const query = form()?.elements.q.value ?? "";
  const searched = Number(results.dataset.searched);
  if (bearable(query) === query || [...query.trim().replace(/\s+/g, " ")].length <= searched) return "";
  const note = results.querySelector("[data-cut]");
  note.querySelector("span").textContent = `Only the first ${searched.toLocaleString("en")} characters were searched for.`;
  note.hidden = false;
  return note.textContent;
}

function busy(on) {
  document.getElementById("search-busy").classList.toggle("htmx-request", on);
  document.getElementById("results").setAttribute("aria-busy", String(on));
}

// The results of an address, which the server names; what was typed takes the place of what was typed before, unless
// that stood for a while.
function show(headers, text) {
  const typed = headers.get("HX-Replace-Url");
  const keeps = stands && location.search; // so that one can go back to it
  const pushed = headers.get("HX-Push-Url") ?? (keeps ? typed : null);
  htmx.swap("#results", text, { swapStyle: "outerHTML" });
  history.replaceState({ htmx: true }, "", (!pushed && typed) || location.href); // htmx brings such a state back
  if (pushed && pushed !== location.pathname + location.search) history.pushState({ htmx: true }, "", pushed);
  const words = form().elements.q.value.slice(0, 60);
  document.title = `${words ? `${words} · ` : ""}Search · Memvid Workspace`;
}

// A commit number means something in one memory alone.
function alone(form) {
  const one = form.querySelectorAll("[name=memory]:checked").length === 1;
  for (const part of form.querySelectorAll("[data-alone]")) {
    part.hidden = !one;
    part.querySelector("input").disabled = !one;
  }
  for (const part of form.querySelectorAll("[data-not-alone]")) part.hidden = one;
}

// On a narrow screen the filters are folded away.
function panel(form) {
  const button = form.querySelector("[data-filters-toggle]");
  form.classList.add("scripted");
  button.hidden = false;
  button.addEventListener("click", () => {
    button.setAttribute("aria-expanded", String(form.classList.toggle("filters-open")));
  });
}

function narrowing(form) {
  const box = form.querySelector("[data-narrows]");
  box?.addEventListener("input", () => {
    const wanted = box.value.trim().toLowerCase();
    for (const label of document.getElementById(box.dataset.narrows).querySelectorAll("label"))
      label.hidden = !label.textContent.toLowerCase().includes(wanted);
  });
  box?.addEventListener("keydown", (event) => event.key === "Enter" && event.preventDefault());
}

register("search-results", (results) => {
  const data = results.dataset;
  say(`${data.said} ${noteCut(results)}`);
  showCounts(data.counts);
  const badge = document.querySelector("[data-filters-count]");
  if (badge) {
    badge.textContent = data.filters;
    badge.hidden = data.filters === "0";
  }
  const save = results.querySelector("[data-save]");
  if (save) save.hidden = false;
  buttons(results);
  stands = !("typed" in data);
  if (stands) return;
  const timer = setTimeout(() => {
    stands = true;
    if (data.ticket) settled(data.ticket);
  }, STANDS_AFTER);
  return () => clearTimeout(timer);
});

register("search-insight", (part) => showCounts(part.dataset.counts));

// How many passages of each memory there are, beside its box among the filters.
function showCounts(text) {
  const counts = new Map((text || "").split(" ").filter(Boolean).map((one) => one.split(":")));
  for (const place of document.querySelectorAll("[data-count-of]")) place.textContent = counts.get(place.dataset.countOf) ?? "";
}

register("search-more", (list) => {
  say(list.dataset.said);
  buttons(list);
});
register("search-beside", (passage) => buttons(passage));

function buttons(part) {
  for (const one of part.querySelectorAll("[data-context]")) one.role = "button";
}

// Hands the ticket of a search back, so that it is remembered; nobody waits for it.
function settled(ticket, clicked) {
  const body = new URLSearchParams(clicked ? { ticket, clicked } : { ticket });
  const { "x-csrftoken": token } = JSON.parse(document.body.getAttribute("hx-headers"));
  fetch(form().dataset.settled, { method: "POST", body, headers: { "X-CSRFToken": token }, keepalive: true }).catch(() => {});
}

// -- what one presses

const ACTIONS = {
  "[data-clears]": (link) => clear(link),
  "[data-exact]": () => chooseMode("phrase"),
  "[data-context], [data-context-more]": (link) => context(link),
  "[data-cite]": (link) => cite(link),
  "[data-save]": () => save(),
  "[data-edit-saved]": (button) => edit(button),
  "[data-help]": () => document.getElementById("search-help").showModal(),
  "[data-close]": (button) => button.closest("dialog").close(),
};

document.addEventListener("click", (event) => {
  if (!form() || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  for (const [selector, act] of Object.entries(ACTIONS)) {
    const found = event.target.closest(selector);
    if (!found) continue;
    event.preventDefault();
    return act(found);
  }
});
document.addEventListener("click", ({ target }) => {
  const link = target.closest("[data-hit], [data-frame], .hit-frame, [data-like]");
  const place = link?.closest("[data-passage]")?.dataset.place;
  if (!place) return;
  history.replaceState({ ...history.state, left: place }, ""); // where who comes back goes on
  const ticket = target.closest("#results")?.dataset.ticket;
  if (ticket && !link.matches("[data-like]")) settled(ticket, place);
}, true);

function clear({ dataset: { clears, value } }) {
  for (const control of form().elements) {
    if (!control.closest(".search-filters") || control.name === "group" || control.name === "like") continue;
    if (clears !== "all" && (control.name !== clears || (control.type === "checkbox" && control.value !== value))) continue;
    if (control.type === "checkbox") control.checked = false;
    else control.value = "";
  }
  alone(form());
  form().elements.q.focus();
  form().requestSubmit();
}

function chooseMode(mode) {
  form().elements.mode.value = mode;
  form().requestSubmit();
}

// The passages around a hit, in its place; pressed again, they go.
async function context(link) {
  const passage = link.closest("[data-passage]");
  const button = passage.querySelector("[data-context]");
  const box = passage.querySelector(".hit-context");
  if (link === button && box.childElementCount) {
    box.replaceChildren();
    button.setAttribute("aria-expanded", "false");
    return say("Context hidden.");
  }
  await htmx.ajax("GET", link.href, { source: box, target: box, swap: "innerHTML" });
  button.setAttribute("aria-expanded", String(box.childElementCount > 0));
  showOwn(box);
  if (link !== button) box.firstElementChild?.focus({ preventScroll: true });
  say("The passages around it are shown.");
}

// Scrolls the box alone, so that the hit itself and a little of what comes before are seen; the page stays.
function showOwn(box) {
  const [text, own] = [".context-text", ".context-own"].map((part) => box.querySelector(part));
  if (own) text.scrollTop = own.offsetTop - text.offsetTop - 72;
}

async function cite(link) {
  const answer = await fetch(link.href, { headers: { "HX-Request": "true" } }).catch(() => null);
  if (!answer?.ok || answer.redirected) return tell("The citation could not be fetched: reload the page and try again.", "danger");
  const text = await answer.text();
  try {
    await navigator.clipboard.writeText(text);
    tell("Copied with its citation.", "success");
  } catch {
    const dialog = document.getElementById("search-citation");
    dialog.querySelector("textarea").value = text; // no clipboard without HTTPS or permission
    dialog.showModal();
    dialog.querySelector("textarea").focus();
    dialog.querySelector("textarea").select();
  }
}

function save() {
  const dialog = document.getElementById("search-save");
  const name = dialog.querySelector("[name=name]");
  dialog.querySelector("[name=params]").value = location.search.slice(1);
  name.value = form().elements.q.value.slice(0, 120);
  dialog.showModal();
  name.select();
}

function edit({ dataset }) {
  const dialog = document.getElementById("search-edit");
  const form = dialog.querySelector("[data-part=edit]");
  form.action = dataset.editSaved;
  document.getElementById("search-delete").action = dataset.deleteSaved;
  form.elements.name.value = dataset.name;
  form.elements.shared.checked = Boolean(dataset.shared);
  dialog.showModal();
  form.elements.name.select();
}

// -- keys

const KEYS = { o: "[data-frame]", e: "[data-context]", c: "[data-cite]", m: "[data-like]" };
const STOPS = "[data-hit], [data-more]"; // where the arrows go

const wasLeft = (hit) => hit.closest("[data-passage]")?.dataset.place === (history.state?.left ?? null);

// Unfolds the other passages of a document, or folds them; the first ones come into sight, once they are there.
function unfold(details) {
  const shownFirst = () => [...details.querySelectorAll(".hit-inner")].slice(0, 2).at(-1)?.scrollIntoView({ block: "nearest" });
  details.querySelector("[data-more]").click();
  if (!details.open) return;
  shownFirst();
  if (!details.querySelector("[data-passage]")) details.addEventListener("htmx:afterSettle", shownFirst, { once: true });
}

document.addEventListener("keydown", (event) => {
  if (!form() || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open], .dropdown-menu.show")) return;
  const here = document.activeElement;
  const field = form().elements.q;
  const nowhere = here === document.body;
  const writes = here.matches("input:not([type=checkbox]), textarea, select, [contenteditable]");
  const hits = [...document.querySelectorAll(STOPS)].filter(shown);
  const place = hits.findIndex((hit) => hit === here || hit.closest("[data-passage]")?.contains(here));
  const go = (element) => {
    event.preventDefault();
    element?.focus();
    (element?.closest("[data-passage]") ?? element)?.scrollIntoView({ block: "nearest" });
  };
  if (event.key === "ArrowDown" && hits.length && (here === field || place >= 0)) return go(hits[place + 1] ?? document.querySelector("#next a") ?? hits[place]);
  if (event.key === "ArrowDown" && nowhere && hits.length) return go(hits.find(wasLeft) ?? hits[0]);
  if (event.key === "ArrowUp" && here.closest("#next")) return go(hits.at(-1));
  if (event.key === "ArrowUp" && place >= 0) return go(hits[place - 1] ?? field);
  if (event.key === "Escape" && (nowhere || place >= 0)) return go(field);
  if (writes) return;
  if (event.key === "/") return go(field);
  if (event.key === "?") {
    event.preventDefault();
    return document.getElementById("search-help").showModal();
  }
  const key = event.key.toLowerCase();
  const item = place >= 0 ? hits[place].closest("[data-hits] > li") : null;
  const others = key === "d" && item?.querySelector(".hit-more");
  if (others) {
    go(item.querySelector("[data-hit]")); // where the keys of a passage go on working, folded or not
    return unfold(others);
  }
  const part = place >= 0 && hits[place].closest("[data-passage]")?.querySelector(KEYS[key] ?? "none");
  if (!part) return;
  event.preventDefault();
  part.click();
});

// The button for more is gone once its answer is there: who stood on it stands on the first new hit.
let stoodOnNext = false;
document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  if (detail.target.id === "next") stoodOnNext = detail.target.contains(document.activeElement);
});
document.addEventListener("htmx:load", ({ detail }) => {
  if (!stoodOnNext || !detail.elt.matches?.("[data-hits]")) return;
  stoodOnNext = false;
  detail.elt.querySelector("[data-hit]")?.focus();
});
