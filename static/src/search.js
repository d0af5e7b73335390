// The field with its first hits on every page, by keyboard too; without scripts it is a plain form.
import htmx from "./htmx.js";
import { register } from "./modules.js";

const QUICK_WAIT = 250; // milliseconds of silence after a key

// The field in the bar: a list of the first hits under it, whose chosen entry the field names (a combobox).
register("search-box", (form) => {
  const field = form.querySelector("[data-search-field]");
  const list = document.createElement("div");
  Object.assign(list, { className: "quick", id: "quick", role: "listbox", hidden: true, ariaLabel: "First results" });
  form.append(list);
  for (const [name, value] of [["role", "combobox"], ["aria-expanded", "false"], ["aria-controls", list.id], ["aria-autocomplete", "list"]])
    field.setAttribute(name, value);

  let timer = null;
  let asked = null;
  const options = () => [...list.querySelectorAll("[role=option]")];
  const chosen = () => list.querySelector("[aria-selected=true]");

  const show = (open) => {
    list.hidden = !open;
    field.setAttribute("aria-expanded", String(open));
    if (!open) choose(null);
  };
  const choose = (option) => {
    for (const one of options()) one.setAttribute("aria-selected", String(one === option));
    if (option) field.setAttribute("aria-activedescendant", option.id);
    else field.removeAttribute("aria-activedescendant");
    option?.scrollIntoView({ block: "nearest" });
  };
  const ask = async () => {
    const query = field.value.trim(); // an empty one asks for what was searched for last
    if (query === asked) return show(list.childElementCount > 0);
    asked = query;
    const answer = await fetch(`${form.dataset.quick}?q=${encodeURIComponent(query)}`, { headers: { "HX-Request": "true" } }).catch(() => null);
    if (asked !== query) return; // a later one is on its way
    if (!answer?.ok || answer.redirected) return show(false);
    htmx.swap(list, await answer.text(), { swapStyle: "innerHTML" });
    show(document.activeElement === field && list.childElementCount > 0);
  };

  field.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(ask, QUICK_WAIT);
  });
  field.addEventListener("focus", ask);
  field.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !list.hidden) {
      event.preventDefault(); // else the browser empties the field
      return show(false);
    }
    if (event.key === "Enter" && chosen()) {
      event.preventDefault();
      return chosen().click();
    }
    if (list.hidden || !["ArrowDown", "ArrowUp"].includes(event.key)) return;
    event.preventDefault();
    const all = [null, ...options()];
    const step = event.key === "ArrowDown" ? 1 : -1;
    choose(all[(all.indexOf(chosen()) + step + all.length) % all.length]);
  });
  const away = (event) => form.contains(event.target) || show(false);
  const left = (event) => form.contains(event.relatedTarget) || show(false);
  document.addEventListener("pointerdown", away);
  form.addEventListener("focusout", left);
  return () => {
    clearTimeout(timer);
    document.removeEventListener("pointerdown", away);
    list.remove();
  };
});
