// What every page has: menus, the search key, messages, copying. Pages add their own modules beside this file.
import "@tabler/core/dist/js/tabler.esm.min.js";
import "./htmx.js";
import { register } from "./modules.js";
import { tell } from "./messages.js";

document.addEventListener("keydown", (event) => {
  if (!(event.ctrlKey || event.metaKey) || event.altKey || event.key.toLowerCase() !== "k") return;
  const link = document.querySelector("[data-search-link]");
  const field = [...document.querySelectorAll("[data-search-field]")].find((one) => one.offsetParent !== null);
  if (!field && !link) return;
  event.preventDefault(); // the browser's own search field
  if (!field) location.assign(link.href);
  field?.focus();
  field?.select();
});

register("copy", (button) => {
  const copy = async () => {
    const source = document.getElementById(button.dataset.copies);
    const text = source.value ?? source.textContent.trim();
    try {
      await navigator.clipboard.writeText(text);
      tell("Copied.", "success");
    } catch {
      source.select?.(); // no clipboard without HTTPS or permission
      tell("The browser did not allow copying: the text is selected, press Ctrl+C.", "warning");
    }
  };
  button.addEventListener("click", copy);
});

// A date is meant in the reader's own time: the site is told how far that is from Greenwich on that day.
register("own-time", (form) => {
  const { on, offset } = form.elements;
  form.querySelector("[data-zone]").textContent = "(your time)";
  form.addEventListener("submit", () => (offset.value = -new Date(on.value).getTimezoneOffset()));
});

// A list that is sent as soon as something else is chosen.
register("submit-on-change", (form) => {
  form.addEventListener("change", () => form.requestSubmit());
});

register("select-all", (box) => {
  const boxes = () => document.querySelectorAll(`input[type=checkbox][name="${box.dataset.selects}"]`);
  box.addEventListener("change", () => {
    for (const one of boxes()) if (one.checked !== box.checked) one.click();
  });
});

// A form is sent once however often its button is pressed. Going back makes it usable again, and so does time: the
// answer may have been a download.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.method !== "post" || form.matches("[hx-post], [data-hx-post]")) return;
  if (form.dataset.sent) event.preventDefault();
  form.dataset.sent = "1";
  setTimeout(() => delete form.dataset.sent, 5000);
});
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
});
