// Texts of this person that could not be merged: kept on this device until they are discarded.
export async function drafts(root, session, device) {
  const list = root.querySelector("[data-part=drafts]");
  const show = async () => list.replaceChildren(...((await device?.drafts()) ?? []).reverse().map((draft) => entryOf(draft, discard)));
  const discard = async (draft) => {
    await device.discard(draft.order);
    await show();
  };
  session.on("aside", show);
  await show();
}

// Of a text that only this page has: there may be no storage, or no right to come back to it.
export function lastText(root, text, reason) {
  root.querySelector("[data-part=drafts]").replaceChildren(entryOf({ text, reason, at: Date.now() }, null));
}

function entryOf(draft, discard) {
  const entry = document.getElementById("draft").content.firstElementChild.cloneNode(true);
  const part = (name) => entry.querySelector(`[data-part=${name}]`);
  part("reason").textContent = draft.reason;
  part("time").textContent = new Date(draft.at).toLocaleString();
  part("text").textContent = draft.text;
  const download = part("download");
  download.href = URL.createObjectURL(new Blob([draft.text], { type: "text/plain" }));
  if (discard) twice(part("discard"), () => discard(draft));
  else part("discard").remove();
  return entry;
}

function twice(button, act) {
  button.addEventListener("click", () => {
    if (button.dataset.asked) return act();
    button.dataset.asked = "1";
    button.textContent = "Discard it for good";
  });
}
