// How far the video has followed the text, and writing it there at once with a message.
const FAILED = ["failed", "cancelled"];

export function commit(root, session, announce) {
  const part = (name) => root.querySelector(`[data-part=${name}]`);
  const [line, button, note] = ["projected", "commit", "commit-note"].map(part);
  const dialog = document.getElementById("commit");
  const form = dialog?.querySelector("form");
  let job = null; // of "Commit now": {id, url, seq}

  function show() {
    const { projected, head } = session;
    if (!projected) return;
    const behind = projected.seq < head || session.state.pending.length > 0;
    line.firstElementChild.textContent = wordsOf(projected, behind);
    line.lastElementChild.hidden = !behind;
    if (button) button.disabled = !behind || Boolean(job) || !session.writable;
    if (job && projected.seq >= job.seq) end("");
  }

  function end(text, link = null) {
    job = null;
    note.replaceChildren(text);
    if (link) note.append(" ", Object.assign(document.createElement("a"), { href: link, textContent: "See the job" }));
    if (text) announce(text);
    show();
  }

  async function send(event) {
    event.preventDefault();
    dialog.close();
    job = { id: null, url: null, seq: Infinity };
    note.textContent = "Writing it into the video…";
    show();
    const answer = await post(form);
    if (answer.error) return end(answer.error);
    job = { id: answer.job, url: answer.url, seq: session.head };
    form.reset();
    show();
  }

  form?.addEventListener("submit", send);
  form?.querySelector("[data-part=commit-cancel]").addEventListener("click", () => dialog.close());
  button?.addEventListener("click", () => dialog.showModal());
  document.body.addEventListener("memvid:job", ({ detail }) => {
    if (job && detail.job === job.id && FAILED.includes(detail.state)) end("It could not be written into the video. The text is safe here.", job.url);
  });
  session.on("projected", show);
  session.on("change", show);
  setInterval(show, 30_000); // "2 minutes ago" grows
}

function wordsOf({ commit, time }, behind) {
  const when = time ? `, ${ago(new Date(time))}` : "";
  if (!behind) return `All of it is in the video (commit ${commit}${when}).`;
  return `In the video up to commit ${commit}${when}.`;
}

const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60]];

function ago(time) {
  const seconds = (Date.now() - time) / 1000;
  const [unit, size] = UNITS.find(([, size]) => seconds >= size) ?? [];
  if (!unit) return "just now";
  return new Intl.RelativeTimeFormat("en", { numeric: "auto" }).format(-Math.floor(seconds / size), unit);
}

async function post(form) {
  try {
    const response = await fetch(form.action, { method: "POST", body: new FormData(form), headers: { Accept: "application/json" } });
    const answer = await response.json();
    return response.ok ? answer : { error: answer.error ?? "It could not be written into the video now. Try again in a moment." };
  } catch {
    return { error: "The server could not be reached. The text follows into the video by itself later." };
  }
}
