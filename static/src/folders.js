// What a person drops or picks, as {path, file} with the structure of the folder.
const LEFT_OUT = new Set(["node_modules", "__pycache__", "thumbs.db", "desktop.ini"]);

export const picked = (files) => [...files].map((file) => ({ path: file.webkitRelativePath || file.name, file }));

export async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return picked(transfer.files);
  return (await Promise.all(entries.map((entry) => walk(entry, "")))).flat();
}

async function walk(entry, above) {
  const path = above + entry.name;
  if (entry.isFile) return [{ path, file: await new Promise((resolve, reject) => entry.file(resolve, reject)) }];
  const found = [];
  const reader = entry.createReader();
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject)); // 100 at a time
    if (!some.length) return found;
    for (const one of some) if (wanted(one.name)) found.push(...(await walk(one, `${path}/`)));
  }
}

const wanted = (name) => !name.startsWith(".") && !LEFT_OUT.has(name.toLowerCase());

// Hidden files and folders, and what programs leave behind, stay at home.
export function gather(found) {
  const entries = found.filter(({ path }) => path.split("/").every(wanted));
  entries.sort((a, b) => a.path.localeCompare(b.path));
  return { entries, left: found.length - entries.length };
}
