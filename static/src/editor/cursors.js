// Where the others are: selections and carets with names. y-codemirror's own set style attributes, which the page's
// content security policy refuses; colours are set through the object model here.
import { Annotation, RangeSet } from "@codemirror/state";
import { Decoration, ViewPlugin, WidgetType } from "@codemirror/view";
import * as Y from "yjs";

const moved = Annotation.define();
const MARGIN = 4; // px
const NAMED = 3000; // ms that a name stays beside a caret that moved

// {from, to, head} of a person in the text, or null.
export function placeOf(state, text) {
  const index = (position) => {
    if (!position) return null;
    const found = Y.createAbsolutePositionFromRelativePosition(Y.createRelativePositionFromJSON(position), text.doc);
    return found?.type === text ? found.index : null;
  };
  const [anchor, head] = [index(state.cursor?.anchor), index(state.cursor?.head)];
  if (anchor === null || head === null) return null;
  return { from: Math.min(anchor, head), to: Math.max(anchor, head), head };
}

class Caret extends WidgetType {
  constructor(user, named) {
    super();
    [this.user, this.named] = [user, named];
  }

  eq(other) {
    return other.user.name === this.user.name && other.user.colour === this.user.colour && other.named === this.named;
  }

  toDOM(view) {
    const caret = document.createElement("span");
    caret.className = "caret";
    caret.style.setProperty("--who", this.user.colour);
    caret.setAttribute("aria-hidden", "true"); // the list of people tells it
    caret.append("\u2060", this.#name(), "\u2060");
    const name = caret.firstElementChild;
    view.requestMeasure({ read: () => overhang(name, view), write: (shift) => name.style.setProperty("--shift", `${shift}px`) });
    return caret;
  }

  #name() {
    const name = document.createElement("span");
    name.className = this.named ? "caret-name is-shown" : "caret-name";
    name.textContent = this.user.name;
    return name;
  }

  ignoreEvent() {
    return true;
  }
}

// How far a name that would be cut off at a side of the text moves into it.
function overhang(name, view) {
  const [box, { left, width }] = [view.scrollDOM.getBoundingClientRect(), name.getBoundingClientRect()];
  const start = Math.max(box.left + MARGIN, Math.min(left, box.left + view.scrollDOM.clientWidth - MARGIN - width));
  return Math.round(start - left);
}

export function cursors(session) {
  const { awareness, text } = session;

  class Cursors {
    constructor(view) {
      this.view = view;
      this.decorations = RangeSet.empty;
      this.heads = new Map();
      this.listen = ({ added, updated, removed }) => {
        const others = [...added, ...updated, ...removed].some((client) => client !== session.doc.clientID);
        if (others) this.again();
      };
      awareness.on("change", this.listen);
    }

    again() {
      this.view.dispatch({ annotations: [moved.of(true)] });
    }

    update(update) {
      if (update.selectionSet || update.focusChanged || update.docChanged) this.tell(update);
      if (update.docChanged || update.transactions.some((one) => one.annotation(moved))) this.draw(update.state);
    }

    tell({ state, view }) {
      if (!view.hasFocus || !awareness.getLocalState()) return; // the place where one was last stays
      const { anchor, head } = state.selection.main;
      const at = (index) => Y.createRelativePositionFromTypeIndex(text, index);
      const cursor = { anchor: at(anchor), head: at(head) };
      if (JSON.stringify(cursor) !== JSON.stringify(awareness.getLocalState().cursor)) awareness.setLocalStateField("cursor", cursor);
    }

    draw({ doc }) {
      const ranges = [];
      for (const [client, state] of awareness.getStates()) {
        const place = client !== session.doc.clientID && state.user ? placeOf(state, text) : null;
        if (place && place.to <= doc.length) ranges.push(...this.rangesOf(client, state.user, place));
      }
      this.decorations = Decoration.set(ranges, true);
    }

    rangesOf(client, user, { from, to, head }) {
      const style = `--who: ${CSS.supports("color", user.colour) ? user.colour : "gray"}`;
      const mark = Decoration.mark({ class: "theirs", attributes: { style } });
      const caret = Decoration.widget({ widget: new Caret(user, this.isMoving(client, head)), side: head === from ? 1 : -1 });
      return from === to ? [caret.range(head)] : [mark.range(from, to), caret.range(head)];
    }

    isMoving(client, head) {
      const known = this.heads.get(client);
      if (known?.head === head) return known.until > Date.now();
      clearTimeout(known?.timer);
      const timer = setTimeout(() => this.again(), NAMED + 50);
      this.heads.set(client, { head, until: Date.now() + NAMED, timer });
      return true;
    }

    destroy() {
      awareness.off("change", this.listen);
      for (const { timer } of this.heads.values()) clearTimeout(timer);
    }
  }

  return ViewPlugin.fromClass(Cursors, { decorations: (plugin) => plugin.decorations });
}
