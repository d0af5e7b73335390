// The page of a conversation: the answer is written as it comes, and each number shows its passage. Without scripts
// the form is sent as it is and the numbers are links.
import htmx from "./htmx.js";
import { register } from "./modules.js";

const STREAM = "application/x-ndjson";
const HOW = {
  model: "Written by a language model from the numbered passages.",
  extractive: "The best sentences of your documents, word for word.",
};
const UNTIL_THEN = { model: "Waiting for the language model…", extractive: "Looking through the documents…" };
const SAYS = /[\p{L}\p{N}]/u; // what has none of these claims nothing
const STOP = /^[.,;:!?。！？]+(?=\s|$)/; // after a mark it belongs to the claim before
const BROKEN = "The connection to the server was lost: what was written so far is kept. Ask again.";

async function* lines(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let held = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const parts = (held + value).split("\n");
    held = parts.pop();
    yield* parts.filter(Boolean);
  }
}

// A question, and its answer while it comes. All text is put in as text.
class Turn {
  constructor(template, question) {
    this.element = template.content.firstElementChild.cloneNode(true);
    this.ended = false;
    this.sources = {};
    this.open();
    this.part("question").textContent = question;
  }

  part(name) {
    return this.element.querySelector(`[data-turn=${name}]`);
  }

  take(event) {
    if (event.is === "begin") {
      this.sources = event.sources;
      event.notes.forEach((text) => this.note(text));
    } else if (event.is === "mode") this.mode(event.mode);
    else if (event.is === "note") this.note(event.text);
    else if (event.is === "again") {
      this.part("answer").replaceChildren();
      this.open();
      if (event.text) this.note(event.text);
    } else if (event.is === "text") this.say(event.text);
    else if (event.is === "cite") this.cite(event.number);
  }

  mode(mode) {
    this.how = HOW[mode];
    this.status(UNTIL_THEN[mode]);
    this.part("answer").classList.toggle("is-quoted", mode === "extractive");
  }

  status(text) {
    const place = this.part("status");
    if (place.textContent !== text) place.textContent = text; // else it is read out again
  }

  note(text) {
    const line = document.createElement("p");
    Object.assign(line, { className: "turn-note", textContent: text });
    this.part("notes").append(line);
  }

  // A claim is its words, then its numbers; once it has one, or an invented one, what follows is the next claim.
  open() {
    this.claim = Object.assign(document.createElement("span"), { className: "claim" });
    this.words = document.createTextNode("");
    this.claim.append(this.words);
    this.closed = false;
  }

  say(text) {
    const stop = (this.closed && STOP.exec(text)?.[0]) || "";
    if (stop) this.words.data = this.words.data.trimEnd() + stop;
    if (stop === text) return;
    if (this.closed) this.open();
    this.words.data += text.slice(stop.length);
    if (this.claim.parentNode) return;
    this.part("answer").append(this.claim, " ");
    this.status(this.how);
  }

  cite(number) {
    if (!this.claim.parentNode) return;
    this.closed = true;
    const known = number in this.sources;
    const bare = !known && SAYS.test(this.words.data) && !this.claim.querySelector(".cite");
    this.claim.classList.toggle("is-unsourced", bare);
    if (bare) this.trim();
    if (!known) return;
    const link = document.createElement("a");
    Object.assign(link, { className: "cite", href: this.sources[number], textContent: number, ariaLabel: `Source ${number}` });
    this.claim.append(link);
  }

  // The mark of a claim is not drawn under the blanks around it.
  trim() {
    const said = this.words.data.trimStart();
    this.claim.before(this.words.data.slice(0, this.words.data.length - said.length));
    this.words.data = said.trimEnd();
  }

  fail(text) {
    this.element.querySelector(".spinner-border")?.remove();
    this.element.classList.remove("is-live");
    this.status(text);
  }
}

// The passage of a number, beside it while it is pointed at or has the focus.
class Card {
  constructor(root) {
    this.root = root;
    this.element = document.createElement("div");
    Object.assign(this.element, { className: "cite-card card", hidden: true });
    root.append(this.element);
    this.show = this.show.bind(this);
    this.leave = this.leave.bind(this);
    for (const name of ["pointerover", "focusin"]) root.addEventListener(name, this.show);
    for (const name of ["pointerout", "focusout"]) root.addEventListener(name, this.leave);
  }

  show(event) {
    if (this.element.contains(event.target)) return clearTimeout(this.timer);
    const chip = event.target.closest?.("[data-cite]");
    const source = chip && document.getElementById(chip.dataset.cite);
    if (!source || event.pointerType === "touch") return;
    clearTimeout(this.timer);
    this.element.replaceChildren(...[...source.children].map((child) => child.cloneNode(true)));
    this.element.hidden = false;
    this.turnTo(chip.closest(".claim")?.firstChild.textContent ?? "");
    const [at, own, frame] = [chip, this.element, this.root].map((one) => one.getBoundingClientRect());
    const left = Math.max(0, Math.min(at.left - frame.left - 24, frame.width - own.width));
    const above = at.top > own.height + 80; // below the bar of the page
    Object.assign(this.element.style, {
      left: `${left}px`,
      top: `${(above ? at.top - own.height - 6 : at.bottom + 6) - frame.top}px`,
    });
  }

  // A passage may be quoted more than once: the sentence of this very claim is brought into view.
  turnTo(claim) {
    const text = this.element.querySelector(".source-text");
    const mark = [...text.querySelectorAll("mark")].find((one) => claim.startsWith(one.textContent));
    if (!mark) return;
    mark.classList.add("is-meant");
    text.scrollTop = mark.offsetTop - text.offsetTop - 24;
  }

  leave() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.hide(), 150); // time to move onto it
  }

  hide() {
    clearTimeout(this.timer);
    const shown = !this.element.hidden;
    this.element.hidden = true;
    return shown;
  }

  end() {
    clearTimeout(this.timer);
    this.element.remove();
  }
}

// Last, as the page may be there already: what is registered then starts at once.
register("chat", (root) => {
  const part = (name) => root.querySelector(`[data-chat=${name}]`);
  const [form, thread] = [part("form"), part("thread")];
  const field = form.elements.question;
  let running = null;

  const busy = (controller) => {
    running = controller;
    part("stop").hidden = !controller;
    part("send").hidden = Boolean(controller);
  };
  const stop = () => running?.abort();

  const send = async (submitter) => {
    const question = (submitter?.name === "example" ? submitter.value : field.value).trim();
    if (running || !question) return field.focus();
    const turn = new Turn(part("turn"), question);
    const body = new FormData(form, submitter);
    part("start")?.remove();
    thread.append(turn.element);
    turn.element.scrollIntoView({ block: "start" });
    field.value = "";
    field.focus({ preventScroll: true });
    busy(new AbortController());
    try {
      const answer = await fetch(form.action, { method: "POST", body, headers: { Accept: STREAM }, signal: running.signal });
      if (!answer.headers.get("content-type")?.startsWith(STREAM)) throw new Error("no stream");
      for await (const line of lines(answer.body)) take(turn, JSON.parse(line), question);
      if (!turn.ended) turn.fail(BROKEN);
    } catch (error) {
      turn.fail(error.name === "AbortError" ? "Stopped. What was written so far is kept." : BROKEN);
    } finally {
      busy(null);
    }
  };

  const take = (turn, event, question) => {
    if (event.is === "begin") {
      settle(event);
      for (const name of ["head", "list"]) replace(part(name), event[name]);
    }
    if (event.is === "error") {
      turn.ended = true;
      field.value = question;
      turn.fail(event.text);
    } else if (event.is === "end") {
      turn.ended = true;
      const atEnd = followed();
      replace(turn.element, event.turn);
      if (atEnd) thread.lastElementChild?.scrollIntoView({ block: "nearest" });
    } else turn.take(event);
  };
  // From the first answer on the conversation has an address, and its place is fixed.
  const settle = ({ url }) => {
    if (form.getAttribute("action") === url) return;
    form.action = url;
    history.replaceState(history.state, "", url);
    field.placeholder = "Ask further";
    const choice = part("scope");
    if (choice.tagName !== "SELECT") return;
    const label = document.createElement("span");
    Object.assign(label, { className: "chat-scope text-secondary", textContent: choice.selectedOptions[0].textContent });
    label.dataset.chat = "scope";
    choice.replaceWith(label);
  };
  const replace = (element, html) => element && html && htmx.swap(element, html, { swapStyle: "outerHTML" });
  const followed = () => thread.getBoundingClientRect().bottom < innerHeight + 200;

  const submitted = (event) => {
    event.preventDefault();
    send(event.submitter);
  };
  const typed = (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    if (!running) send(null);
  };
  const escaped = (event) => {
    if (event.key !== "Escape" || event.defaultPrevented || document.querySelector("dialog[open]")) return;
    if (card.hide() || !running) return;
    event.preventDefault();
    stop();
  };
  const card = new Card(root);
  form.addEventListener("submit", submitted);
  field.addEventListener("keydown", typed);
  part("stop").addEventListener("click", stop);
  document.addEventListener("keydown", escaped);
  field.setSelectionRange(field.value.length, field.value.length);
  return () => {
    stop();
    card.end();
    document.removeEventListener("keydown", escaped);
  };
});
