// The markdown as it will be read. HTML in it is shown, not run, and nothing is loaded from elsewhere.
import MarkdownIt from "markdown-it";

const SOON = 120; // ms after the last key
const LONG = 200_000; // characters from which a key press must not wait for it
const LATER = 900;
const BLOCKS = ["paragraph_open", "heading_open", "list_item_open", "blockquote_open", "fence", "code_block", "table_open", "hr"];

function renderer() {
  const markdown = new MarkdownIt({ html: false, linkify: true });
  const { rules } = markdown.renderer;
  const plain = (tokens, at, options, env, self) => self.renderToken(tokens, at, options);
  // A picture from elsewhere would tell its server who reads: its words and address stay.
  rules.image = (tokens, at) => {
    const { content, attrs } = tokens[at];
    const escape = markdown.utils.escapeHtml;
    const source = escape(new Map(attrs).get("src") ?? "");
    return `<a class="preview-image" href="${source}" rel="noopener noreferrer nofollow" target="_blank">${escape(content || "picture")}</a>`;
  };
  rules.link_open = (tokens, at, ...rest) => {
    for (const [name, value] of [["rel", "noopener noreferrer nofollow"], ["target", "_blank"]]) tokens[at].attrSet(name, value);
    return plain(tokens, at, ...rest);
  };
  for (const cell of ["th_open", "td_open"]) {
    rules[cell] = (tokens, at, ...rest) => {
      const token = tokens[at];
      const side = /text-align:(\w+)/.exec(token.attrGet("style") ?? "")?.[1];
      token.attrs = side ? [["class", `is-${side}`]] : null; // no style attributes: the page's policy forbids them
      return plain(tokens, at, ...rest);
    };
  }
  return markdown;
}

export function preview(root, session, view) {
  const pane = root.querySelector("[data-part=preview]");
  const markdown = renderer();
  let timer = null;

  function draw() {
    timer = null;
    if (!pane.offsetParent) return; // not shown; it is drawn when it is
    const tokens = markdown.parse(session.text.toString(), {});
    for (const token of tokens) if (token.map && BLOCKS.includes(token.type)) token.attrSet("data-line", String(token.map[0] + 1));
    pane.innerHTML = markdown.renderer.render(tokens, markdown.options, {}) || "<p class='text-secondary'>Nothing is written here yet.</p>";
    align();
  }

  // The block at the top of the text is at the top of the preview.
  function align() {
    const top = view.lineBlockAtHeight(view.scrollDOM.getBoundingClientRect().top - view.documentTop);
    const line = view.state.doc.lineAt(top.from).number;
    const blocks = [...pane.querySelectorAll("[data-line]")];
    const block = line === 1 ? null : blocks.findLast((one) => Number(one.dataset.line) <= line);
    pane.scrollTop = block ? block.offsetTop - pane.offsetTop - 8 : 0;
  }

  session.text.observe(() => {
    const wait = session.text.length > LONG ? LATER : SOON;
    clearTimeout(timer);
    timer = setTimeout(draw, wait);
  });
  view.scrollDOM.addEventListener("scroll", () => pane.offsetParent && !pane.matches(":hover, :focus-within") && align(), { passive: true });
  new ResizeObserver(() => timer ?? (timer = setTimeout(draw, 0))).observe(pane);
  draw();
}
