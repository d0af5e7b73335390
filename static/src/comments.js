// The panel of comments: a passage that is selected in the text becomes what the next comment is about, names are
// offered behind an @, and a thread leads to its passage. In an editor the place of a passage comes from there.
import { register } from "./modules.js";

const MOST_QUOTED = 1000;
const MOST_OFFERED = 6;
const highlights = window.CSS?.highlights;

register("comments", (panel) => {
  const part = (name) => panel.querySelector(`[data-comment-${name}]`);

  function about({ quote = "", start = "", end = "" }) {
    const form = part("form");
    if (!form) return;
    for (const [name, value] of Object.entries({ quote: quote.slice(0, MOST_QUOTED), start, end })) part(name).value = value;
    part("shown").textContent = quote.slice(0, 300);
    part("shown").hidden = part("clear").hidden = !quote;
  }

  const selected = () => {
    const selection = getSelection();
    const text = document.querySelector("[data-commented]");
    if (!text || selection.isCollapsed || !text.contains(selection.anchorNode) || !text.contains(selection.focusNode)) return;
    const quote = wordsOf(selection.getRangeAt(0)).trim();
    if (quote) about({ quote });
  };
  const fromEditor = ({ detail }) => (detail.quote || !part("form")?.elements.text.value) && about(detail);
  const clicked = ({ target }) => {
    if (target.closest("[data-comment-clear]")) about({});
    const thread = target.closest("[data-comment-go]")?.closest("[data-thread]");
    if (thread) show(thread);
  };
  document.addEventListener("selectionchange", selected);
  document.addEventListener("memvid:passage", fromEditor);
  panel.addEventListener("click", clicked);
  panel.addEventListener("htmx:afterSettle", () => mark(panel));
  const stopOffering = offerNames(panel);
  mark(panel);
  return () => {
    document.removeEventListener("selectionchange", selected);
    document.removeEventListener("memvid:passage", fromEditor);
    panel.removeEventListener("click", clicked);
    stopOffering();
  };
});

// What is selected of the passages themselves, without the links to lines and frames beside them.
function wordsOf(range) {
  const copy = range.cloneContents();
  for (const side of copy.querySelectorAll?.(".chunk-side, .chunk-place, .badge") ?? []) side.remove();
  return copy.textContent;
}

// -- passages on the page of a document; an editor marks its own

function mark(panel) {
  const text = document.querySelector("[data-commented]");
  if (!text) return document.dispatchEvent(new CustomEvent("memvid:threads", { detail: { panel } }));
  const ranges = [];
  for (const thread of panel.querySelectorAll("[data-thread]")) {
    const range = find(text, thread.dataset.quote);
    const go = thread.querySelector("[data-comment-go]");
    if (go) go.hidden = !range;
    if (range && !("resolved" in thread.dataset)) ranges.push(range);
  }
  if (highlights) highlights.set("comments", new Highlight(...ranges));
}

function show(thread) {
  const text = document.querySelector("[data-commented]");
  if (!text) return document.dispatchEvent(new CustomEvent("memvid:thread", { detail: { thread } }));
  const range = find(text, thread.dataset.quote);
  if (!range) return;
  if (highlights) highlights.set("comment-shown", new Highlight(range));
  range.startContainer.parentElement.scrollIntoView({ block: "center", behavior: "smooth" });
}

// A passage may run over several chunks.
function find(text, quote) {
  if (!quote) return null;
  const walker = document.createTreeWalker(text, NodeFilter.SHOW_TEXT, (node) =>
    node.parentElement.closest(".chunk-words") ? NodeFilter.FILTER_ACCEPT : NodeFilter.FILTER_SKIP,
  );
  const nodes = [];
  let whole = "";
  while (walker.nextNode()) {
    nodes.push({ node: walker.currentNode, start: whole.length });
    whole += walker.currentNode.data;
  }
  const at = whole.indexOf(quote);
  if (at < 0) return null;
  const place = (offset) => {
    const one = nodes.findLast(({ start }) => start <= offset);
    return [one.node, Math.min(offset - one.start, one.node.length)];
  };
  const range = document.createRange();
  range.setStart(...place(at));
  range.setEnd(...place(at + quote.length - 1));
  range.setEnd(range.endContainer, range.endOffset + 1);
  return range;
}

// -- names behind an @

function offerNames(panel) {
  const list = document.createElement("ul");
  list.className = "names";
  list.id = "comment-names";
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", "People");
  list.hidden = true;
  let area = null;
  let chosen = 0;

  const people = () => JSON.parse(panel.querySelector("#comment-people")?.textContent || "[]");
  const begun = () => /(?:^|[^\p{L}\p{N}_])@([\p{L}\p{N}_.+' -]{0,40})$/u.exec(area.value.slice(0, area.selectionStart));

  function close() {
    list.hidden = true;
    area?.removeAttribute("aria-activedescendant");
    area?.setAttribute("aria-expanded", "false");
  }

  function offer() {
    const start = begun();
    const wanted = start?.[1].toLowerCase();
    const fits = ({ name, email }) => [name, email].some((one) => one.toLowerCase().startsWith(wanted));
    const found = start ? people().filter(fits).slice(0, MOST_OFFERED) : [];
    if (!found.length || found.some(({ name }) => name.toLowerCase() === wanted)) return close();
    chosen = Math.min(chosen, found.length - 1);
    list.replaceChildren(...found.map(option));
    area.after(list);
    area.setAttribute("aria-controls", list.id);
    area.setAttribute("aria-expanded", "true");
    area.setAttribute("aria-activedescendant", `comment-name-${chosen}`);
    list.hidden = false;
  }

  function option({ name, email }, index) {
    const item = document.createElement("li");
    item.id = `comment-name-${index}`;
    item.setAttribute("role", "option");
    item.setAttribute("aria-selected", String(index === chosen));
    item.dataset.name = name;
    item.textContent = name === email ? name : `${name} (${email})`;
    return item;
  }

  function take(name) {
    const start = begun();
    if (!start) return close();
    area.setRangeText(`${name} `, area.selectionStart - start[1].length, area.selectionStart, "end");
    close();
    area.focus();
  }

  function keyed(event) {
    if (list.hidden || event.target !== area) return;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) chosen = (chosen + step + list.children.length) % list.children.length;
    if (step) offer();
    else if (event.key === "Enter" || event.key === "Tab") take(list.children[chosen].dataset.name);
    else if (event.key === "Escape") close();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  function typed({ target }) {
    if (!target.matches?.("[data-mentions]")) return;
    area = target;
    chosen = 0;
    offer();
  }
  const pressed = (event) => {
    const item = event.target.closest("[role=option]");
    if (!item) return;
    event.preventDefault(); // the field keeps the focus
    take(item.dataset.name);
  };
  list.addEventListener("pointerdown", pressed);
  panel.addEventListener("input", typed);
  panel.addEventListener("keydown", keyed, true);
  panel.addEventListener("focusout", close);
  return () => {
    panel.removeEventListener("input", typed);
    panel.removeEventListener("keydown", keyed, true);
    panel.removeEventListener("focusout", close);
    list.remove();
  };
}
