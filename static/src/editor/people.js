// Who is here: one button a person, which follows them through the text until the reader moves by themselves.
import { EditorView } from "@codemirror/view";
import { placeOf } from "./cursors.js";

const SHOWN = 5;

export function people(root, session, view, announce) {
  const { awareness } = session;
  const [list, count, banner] = ["people", "people-count", "following"].map((part) => root.querySelector(`[data-part=${part}]`));
  let following = null; // id of a person
  let drawn = "";
  let known = null; // id -> name, of those who were here before

  // One entry a person, however many tabs they have open; the tab with a cursor counts.
  function here() {
    const found = new Map();
    for (const [client, state] of awareness.getStates()) {
      if (!state.user || client === session.doc.clientID) continue;
      if (!found.get(state.user.id)?.cursor) found.set(state.user.id, state);
    }
    return found;
  }

  function show() {
    const present = here();
    tellArrivals(present);
    const others = [...present.values()].filter(({ user }) => user.id !== session.you?.id);
    const key = JSON.stringify([others.map(({ user }) => user), following]);
    if (key !== drawn) list.replaceChildren(...others.slice(0, SHOWN).map((state) => entryOf(state.user)));
    drawn = key; // else a button would lose the focus whenever somebody moves
    count.textContent = others.length > SHOWN ? `+${others.length - SHOWN}` : "";
    if (following !== null && !present.has(following)) follow(null);
  }

  function tellArrivals(present) {
    const names = new Map([...present.values()].map(({ user }) => [user.id, user.name]));
    if (known) {
      for (const [id, name] of names) if (!known.has(id)) announce(`${name} is here.`);
      for (const [id, name] of known) if (!names.has(id)) announce(`${name} has left.`);
    }
    known = names;
  }

  function entryOf(user) {
    const entry = document.createElement("li");
    const button = document.createElement("button");
    button.type = "button";
    button.className = "person";
    button.style.setProperty("--who", user.colour);
    button.textContent = initialsOf(user.name);
    button.title = `Follow ${user.name}`;
    button.setAttribute("aria-label", `${user.name} is here. Follow`);
    button.setAttribute("aria-pressed", String(following === user.id));
    button.addEventListener("click", () => follow(following === user.id ? null : user.id));
    entry.append(button);
    return entry;
  }

  function follow(id) {
    following = id;
    const name = here().get(id)?.user.name;
    banner.hidden = id === null;
    banner.querySelector("[data-part=followed]").textContent = name ?? "";
    if (name) announce(`Following ${name}.`);
    show();
    go();
  }

  function go() {
    const state = following === null ? null : here().get(following);
    const place = state && placeOf(state, session.text);
    if (place) view.dispatch({ effects: EditorView.scrollIntoView(Math.min(place.head, view.state.doc.length), { y: "center" }) });
  }

  const stop = () => following !== null && follow(null);
  for (const name of ["wheel", "touchmove", "keydown", "pointerdown"]) view.dom.addEventListener(name, stop, { passive: true });
  banner.querySelector("button").addEventListener("click", stop);
  awareness.on("change", ({ added, updated, removed }) => {
    if (![...added, ...updated, ...removed].some((client) => client !== session.doc.clientID)) return;
    show();
    go();
  });
  show();
}

function initialsOf(name) {
  const words = name.trim().split(/\s+/);
  return [words[0], words.length > 1 ? words.at(-1) : ""].map((word) => [...word][0] ?? "").join("").toUpperCase();
}
