// Asks before destructive acts: hx-confirm on an htmx element, data-confirm on a plain form or its button.
// data-confirm-title, -label (the button's words), -danger="no" for harmless acts, -type (words to be typed first).
const dialog = () => document.getElementById("confirm");

export function ask(question, { confirmTitle, confirmLabel, confirmDanger, confirmType } = {}) {
  const box = dialog();
  const [yes, typed, row] = ["yes", "typed", "row"].map((part) => box.querySelector(`[data-confirm-part=${part}]`));
  box.querySelector("[data-confirm-part=title]").textContent = confirmTitle || "Are you sure?";
  box.querySelector("[data-confirm-part=text]").textContent = question;
  box.querySelector("[data-confirm-part=word]").textContent = confirmType || "";
  yes.textContent = confirmLabel || "Yes, go on";
  yes.className = `btn ${confirmDanger === "no" ? "btn-primary" : "btn-danger"}`;
  row.hidden = !confirmType;
  typed.value = "";
  const check = () => (yes.disabled = Boolean(confirmType) && typed.value.trim() !== confirmType.trim());
  typed.oninput = check;
  check();
  box.returnValue = "";
  box.showModal();
  return new Promise((resolve) => {
    box.addEventListener("close", () => resolve(box.returnValue === "yes"), { once: true });
  });
}

document.addEventListener("htmx:confirm", (event) => {
  const { question, elt, issueRequest } = event.detail;
  if (!question) return;
  event.preventDefault();
  ask(question, elt.dataset).then((yes) => yes && issueRequest(true));
});

const confirmed = new WeakSet();
document.addEventListener(
  "submit",
  (event) => {
    const form = event.target;
    const source = event.submitter?.dataset.confirm ? event.submitter : form;
    if (!source.dataset.confirm || confirmed.delete(form)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    ask(source.dataset.confirm, source.dataset).then((yes) => {
      if (!yes) return;
      confirmed.add(form);
      form.requestSubmit(event.submitter);
    });
  },
  true, // before anything else sees it
);
