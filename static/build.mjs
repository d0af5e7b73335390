// Builds app.js, app.css, theme.js and the editor's editor.js and editor.css into dist/. Each src/*.js is a module of app.js and each src/*.css a part of
// app.css: a new page's file is picked up by its being there.
import { copyFileSync, mkdirSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const src = join(here, "src");
const out = process.env.OUT || join(here, "dist");
const FIRST = ["app.js", "app.css"]; // what the others build upon
const ALONE = ["theme.js"]; // loaded in <head>, before anything is painted

const parts = (ending) =>
  readdirSync(src)
    .filter((name) => name.endsWith(ending) && !ALONE.includes(name))
    .sort((a, b) => FIRST.includes(b) - FIRST.includes(a) || a.localeCompare(b));

const bundle = (name, loader, contents) => ({ stdin: { contents, loader, resolveDir: src }, outfile: join(out, name) });

const common = {
  bundle: true,
  minify: true,
  sourcemap: "linked",
  format: "iife",
  target: ["chrome123", "firefox121", "safari17.5"], // the first with light-dark() and :has()
  legalComments: "linked",
  logLevel: "info",
};
const builds = [
  bundle("app.js", "js", parts(".js").map((name) => `import "./${name}";`).join("\n")),
  bundle("app.css", "css", parts(".css").map((name) => `@import "./${name}";`).join("\n")),
  { entryPoints: [join(src, "theme.js")], outfile: join(out, "theme.js") },
  { entryPoints: [join(src, "editor/index.js")], outfile: join(out, "editor.js") },
  { entryPoints: [join(src, "editor/editor.css")], outfile: join(out, "editor.css") },
];

mkdirSync(out, { recursive: true });
for (const name of readdirSync(src).filter((file) => file.endsWith(".svg"))) copyFileSync(join(src, name), join(out, name));
for (const build of builds) {
  const options = { ...common, ...build };
  if (process.argv.includes("--watch")) await (await esbuild.context(options)).watch();
  else await esbuild.build(options);
}
