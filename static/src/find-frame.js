// A photo or screenshot of a frame: chosen, dropped anywhere on the page, or pasted.
import { register } from "./modules.js";

register("find-frame", (form) => {
  const gone = new AbortController();
  const field = form.querySelector("input[type=file]");
  const marked = () => document.querySelector(".watch") ?? form;
  const carries = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  let depth = 0; // dragenter and dragleave come for every element that is crossed

  function take(files) {
    const pictures = [...files].filter((file) => file.type.startsWith("image/"));
    if (!pictures.length) return false;
    const one = new DataTransfer();
    one.items.add(pictures[0]);
    field.files = one.files;
    form.requestSubmit();
    return true;
  }

  const mark = (step) => {
    depth = Math.max(0, depth + step);
    marked().classList.toggle("watch-dropping", depth > 0);
  };
  const on = (name, act) => document.addEventListener(name, act, { signal: gone.signal });
  on("dragenter", (event) => carries(event) && mark(1));
  on("dragleave", (event) => carries(event) && mark(-1));
  on("dragover", (event) => carries(event) && event.preventDefault());
  on("drop", (event) => {
    if (!carries(event)) return;
    event.preventDefault(); // the browser would open the picture and leave the page
    mark(-depth);
    take(event.dataTransfer.files);
  });
  on("paste", (event) => take(event.clipboardData?.files ?? []) && event.preventDefault());
  field.addEventListener("change", () => field.files.length && form.requestSubmit());
  return () => gone.abort();
});
