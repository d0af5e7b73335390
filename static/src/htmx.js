// One htmx for all; `morph` swaps keep focus and scroll positions.
import htmx from "htmx.org";
import "idiomorph/dist/idiomorph-ext.esm.js";

window.htmx = htmx;
export default htmx;
