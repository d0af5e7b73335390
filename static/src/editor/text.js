// The text itself: CodeMirror bound to the shared text. Lines end with LF only, as the server counts them.
import { defaultKeymap, indentWithTab } from "@codemirror/commands";
import { markdownKeymap, markdownLanguage } from "@codemirror/lang-markdown";
import { HighlightStyle, indentOnInput, syntaxHighlighting } from "@codemirror/language";
import { highlightSelectionMatches, search, searchKeymap } from "@codemirror/search";
import { Compartment, EditorState } from "@codemirror/state";
import { EditorView, drawSelection, dropCursor, highlightActiveLine, keymap, placeholder } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { yCollab, yUndoManagerKeymap } from "y-codemirror.next";
import * as Y from "yjs";

const MARKUP = HighlightStyle.define([
  { tag: tags.heading1, class: "md-h1" },
  { tag: tags.heading2, class: "md-h2" },
  { tag: tags.heading, class: "md-h" },
  { tag: tags.strong, class: "md-strong" },
  { tag: tags.emphasis, class: "md-em" },
  { tag: tags.strikethrough, class: "md-strike" },
  { tag: tags.monospace, class: "md-code" },
  { tag: [tags.link, tags.url], class: "md-link" },
  { tag: tags.quote, class: "md-quote" },
  { tag: [tags.processingInstruction, tags.meta, tags.contentSeparator], class: "md-mark" },
]);

const onlyLf = (text) => text.replace(/\r\n?/g, "\n");

// `facts`: {name, format, nonce}; `extensions`: of those who watch the text.
export function editorOf(parent, session, facts, extensions) {
  const writing = new Compartment();
  const undoManager = new Y.UndoManager(session.text); // this person's edits only
  const view = new EditorView({
    parent,
    state: EditorState.create({
      doc: session.text.toString(),
      extensions: [
        EditorView.cspNonce.of(facts.nonce),
        EditorState.lineSeparator.of("\n"),
        EditorView.clipboardInputFilter.of(onlyLf),
        EditorView.lineWrapping,
        EditorView.contentAttributes.of({ "aria-label": `Text of ${facts.name}`, spellcheck: String(facts.format !== "code"), tabindex: "0" }),
        drawSelection(),
        dropCursor(),
        indentOnInput(),
        search({ top: true }),
        highlightSelectionMatches(),
        yCollab(session.text, null, { undoManager }),
        facts.format === "markdown" ? [markdownLanguage, syntaxHighlighting(MARKUP)] : [],
        writing.of(modeOf(session.writable, facts.format)),
        keymap.of([...searchKeymap, ...defaultKeymap]),
        ...extensions,
      ],
    }),
  });
  view.setWritable = (writable) => {
    if (writable === !view.state.readOnly) return;
    view.dispatch({ effects: writing.reconfigure(modeOf(writable, facts.format)) });
  };
  return view;
}

// Tab leaves the text unless the person writes code: everybody gets out by keyboard.
function modeOf(writable, format) {
  if (!writable) return [EditorState.readOnly.of(true), EditorView.editable.of(false)];
  return [
    highlightActiveLine(),
    placeholder("Nothing is written here yet."),
    keymap.of([...yUndoManagerKeymap, ...(format === "markdown" ? markdownKeymap : []), ...(format === "code" ? [indentWithTab] : [])]),
  ];
}
