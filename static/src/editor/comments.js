// Comments in the text: their passages are marked and stay so while the text around them changes; what is selected is
// what the next comment is about.
import { StateEffect, StateField } from "@codemirror/state";
import { Decoration, EditorView } from "@codemirror/view";
import * as Y from "yjs";
import { bytesOf, textOf } from "./wire.js";

const LATER = 400; // ms after a change, until it is looked which passages are still there
const MOST = 1000; // characters of a quote

const setPlaces = StateEffect.define();
const places = StateField.define({
  create: () => Decoration.none,
  update(marks, transaction) {
    const effect = transaction.effects.find((one) => one.is(setPlaces));
    return effect ? effect.value : marks.map(transaction.changes);
  },
  provide: (field) => EditorView.decorations.from(field),
});

const say = (name, detail) => document.dispatchEvent(new CustomEvent(name, { detail }));

// What CodeMirror needs; `commentsOf` does the rest once there is a view.
export const marked = [
  places,
  EditorView.updateListener.of(({ view, selectionSet }) => selectionSet && view.passage?.()),
  EditorView.domEventHandlers({
    click(event) {
      const id = event.target.closest?.("[data-comment-thread]")?.dataset.commentThread;
      if (id) say("memvid:comment-clicked", id);
    },
  }),
];

export function commentsOf(root, session, view) {
  const box = root.querySelector("[data-part=comments]");
  const toggle = root.querySelector("[data-part=comments-toggle]");
  if (!box) return;
  const threads = () => [...box.querySelectorAll("[data-thread]")];
  let timer = null;

  function open(shown) {
    box.hidden = !shown;
    root.toggleAttribute("data-commented-now", shown);
    toggle.setAttribute("aria-expanded", String(shown));
  }

  function draw() {
    const marks = [];
    for (const thread of threads()) {
      const place = placeOf(session, thread.dataset);
      const [go, gone] = ["go", "gone"].map((name) => thread.querySelector(`[data-comment-${name}]`));
      if (go) [go.hidden, gone.hidden] = [!place, Boolean(place)];
      if (!place || "resolved" in thread.dataset) continue;
      const attributes = { "data-comment-thread": thread.dataset.thread };
      marks.push(Decoration.mark({ class: "commented", attributes }).range(place.from, place.to));
    }
    const count = threads().filter((thread) => !("resolved" in thread.dataset)).length;
    toggle.querySelector("[data-part=comments-count]").textContent = count || "";
    view.dispatch({ effects: setPlaces.of(Decoration.set(marks, true)) });
  }

  view.passage = () => {
    const { from, to } = view.state.selection.main;
    if (box.hidden) return;
    const quote = view.state.sliceDoc(from, Math.min(to, from + MOST));
    if (!quote.trim()) return say("memvid:passage", {});
    const at = (index, side) => textOf(Y.encodeRelativePosition(Y.createRelativePositionFromTypeIndex(session.text, index, side)));
    say("memvid:passage", { quote, start: at(from, 0), end: at(to, -1) });
  };

  toggle.addEventListener("click", () => {
    open(box.hidden);
    if (!box.hidden) view.passage();
  });
  document.addEventListener("memvid:threads", draw);
  document.addEventListener("memvid:thread", ({ detail }) => {
    const place = placeOf(session, detail.thread.dataset);
    if (!place) return;
    view.dispatch({ selection: { anchor: place.from, head: place.to }, effects: EditorView.scrollIntoView(place.from, { y: "center" }) });
    view.focus();
  });
  document.addEventListener("memvid:comment-clicked", ({ detail }) => {
    open(true);
    for (const thread of threads()) thread.classList.toggle("thread-active", thread.dataset.thread === detail);
    box.querySelector(`[data-thread="${CSS.escape(detail)}"]`)?.scrollIntoView({ block: "nearest" });
  });
  session.doc.on("update", () => {
    clearTimeout(timer);
    timer = setTimeout(draw, LATER);
  });
  const linked = location.hash.match(/^#(thread-\d+|comments)$/);
  if (linked) open(true);
  draw();
}

// {from, to} of a thread's passage in the text as it is now; null when nothing of it is left. Comments that were made
// outside an editor have no place, only words.
function placeOf(session, { start, end, quote }) {
  if (start && end) {
    const [from, to] = [start, end].map((place) => indexOf(session.doc, place));
    return from !== null && to !== null && from < to ? { from, to } : null;
  }
  const from = quote ? session.text.toString().indexOf(quote) : -1;
  return from < 0 ? null : { from, to: from + quote.length };
}

function indexOf(doc, place) {
  try {
    return Y.createAbsolutePositionFromRelativePosition(Y.decodeRelativePosition(bytesOf(place)), doc)?.index ?? null;
  } catch {
    return null; // what somebody sent by hand
  }
}
