// The editor page: one document, written together.
import { commentsOf, marked } from "./comments.js";
import { commit } from "./commit.js";
import { cursors } from "./cursors.js";
import { openDevice } from "./device.js";
import { drafts, lastText } from "./drafts.js";
import { modes } from "./modes.js";
import { people } from "./people.js";
import { preview } from "./preview.js";
import { Session } from "./session.js";
import { detailOf, isSafeToLeave, stateOf, STATES } from "./states.js";
import { editorOf } from "./text.js";

const CALM = 1500; // ms that a state must last to be read out
const CLOSED = ["rights", "gone", "logout"]; // what was read here must not stay on the screen
const { nonce } = document.currentScript;

function factsOf(root) {
  const { user, memory, number, name, format, live, mayWrite } = root.dataset;
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  return {
    name,
    format,
    nonce,
    live,
    place: `${user}/${memory}/${number}`,
    mayWrite: mayWrite === "true",
    socket: `${scheme}://${location.host}/ws/memories/${memory}/documents/${number}/`,
    token: () => root.querySelector("[name=csrfmiddlewaretoken]").value,
  };
}

// Screen readers hear what lasts, not each "Saving" between two words.
function announcer(root) {
  const region = root.querySelector("[data-part=announce]");
  return (text) => (region.textContent = text);
}

function chip(root, session, announce) {
  const part = (name) => root.querySelector(`[data-part=${name}]`);
  const [badge, word, detail, reload] = ["chip", "state", "detail", "reload"].map(part);
  let shown = null;
  let told = "opening";
  let timer = null;

  function show() {
    const facts = session.state;
    const state = stateOf(facts);
    const words = detailOf(state, facts);
    detail.firstElementChild.textContent = words;
    detail.hidden = !words;
    reload.hidden = !facts.stopped;
    if (state === shown) return;
    shown = state;
    badge.dataset.state = state;
    word.textContent = STATES[state];
    clearTimeout(timer);
    timer = setTimeout(() => tell(state, words), CALM);
  }

  function tell(state, words) {
    if (state === told || state === "saving") return;
    told = state;
    announce(`${STATES[state]}. ${words}`);
  }

  reload.addEventListener("click", () => location.reload());
  addEventListener("beforeunload", (event) => isSafeToLeave(stateOf(session.state)) || event.preventDefault());
  session.on("change", show);
  setInterval(show, 1000); // "Saving" does not stay "Saving" for ever
  show();
}

async function start(root) {
  const facts = factsOf(root);
  const device = await openDevice(facts.place).catch(() => null); // private windows may forbid it
  const session = new Session(facts, device);
  const announce = announcer(root);
  const view = editorOf(root.querySelector("[data-part=text]"), session, facts, [cursors(session), marked]);
  chip(root, session, announce);
  people(root, session, view, announce);
  commit(root, session, announce);
  commentsOf(root, session, view);
  if (facts.format === "markdown") {
    preview(root, session, view);
    modes(root);
  }
  session.on("change", () => view.setWritable(session.writable));
  session.on("end", (text) => {
    if (CLOSED.includes(session.stopped.why)) root.dataset.ended = "";
    if (text !== null) lastText(root, text, session.stopped.reason);
  });
  await drafts(root, session, device).catch(() => {});
  await session.start();
  view.setWritable(session.writable);
}

const root = document.getElementById("editor");
if (root) start(root);
