// The page's socket: tells that something changed, as events `memvid:…` on <body>.
// A lost message is only a late screen: after a gap all events are sent once, without a subject.
const NOT_LOGGED_IN = 4401;
const NOT_ALLOWED = 4403;
const EVENTS = {
  "job.changed": "memvid:job",
  "memory.changed": "memvid:memory",
  "comment.changed": "memvid:comment",
  "rights.changed": "memvid:memory", // another list of memories
  notified: "memvid:notified",
};
const FIRST_WAIT = 500;
const LONGEST_WAIT = 20000;

let wait = FIRST_WAIT;
let failures = 0;
let leaving = false;
let timer = null;
let socket = null;
let ready = false;

const shown = () => document.body.dataset.workspace && document.getElementById("live"); // pages inside the workspace
const say = (name, detail) => document.body.dispatchEvent(new CustomEvent(name, { detail, bubbles: true }));

function chip(text) {
  const element = document.getElementById("live");
  element.hidden = !text;
  element.querySelector("[data-live-text]").textContent = text;
}

function opened() {
  // A job that the page shows as open may have ended before this socket listened.
  const gap = failures > 0 || document.querySelector("[data-job-stage], [data-job-progress]");
  [wait, failures] = [FIRST_WAIT, 0];
  chip("");
  if (gap) for (const name of new Set(Object.values(EVENTS))) say(name, { type: "caught.up" });
}

function received({ data }) {
  const message = JSON.parse(data);
  if (message.type === "ready") {
    ready = true;
    opened();
  } else if (EVENTS[message.type]) say(EVENTS[message.type], message);
}

function closed({ code }) {
  if (leaving) return;
  const was = ready;
  ready = false;
  // A session that ended may have been followed by another: a new password, or a log-in in another tab.
  if (code === NOT_LOGGED_IN && was) return connect();
  if (code === NOT_LOGGED_IN) return chip("Logged out: reload the page to log in again");
  if (code === NOT_ALLOWED) return chip("Your rights here have changed: reload the page");
  failures += 1;
  if (failures > 1) chip("Offline: this page may be out of date. Trying again…");
  timer = setTimeout(connect, wait * (0.75 + Math.random() / 2)); // spread, so that a restart is not stormed
  wait = Math.min(wait * 2, LONGEST_WAIT);
}

function connect() {
  clearTimeout(timer);
  if (socket && socket.readyState <= WebSocket.OPEN) return;
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  socket = new WebSocket(`${scheme}://${location.host}/ws/workspaces/${document.body.dataset.workspace}/`);
  socket.addEventListener("message", received);
  socket.addEventListener("close", closed);
}

addEventListener("pagehide", () => (leaving = true));
addEventListener("pageshow", (event) => {
  leaving = false;
  if (event.persisted && shown()) connect();
});
addEventListener("online", () => failures && connect());
document.addEventListener("DOMContentLoaded", () => shown() && connect());
