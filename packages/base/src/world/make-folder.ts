/**
 * `mkdir -p`. Node's own `recursive` never ends, and holds the process, where a folder cannot be made although the one above is there
 * (as in /proc).
 */
import { mkdirSync, statSync } from "node:fs";
import { mkdir, stat } from "node:fs/promises";
import { dirname } from "node:path";

const codeOf = (error: unknown) => (error as NodeJS.ErrnoException).code;

/** Makes the folder and those above it that are missing; one that is there stays as it is. Rejects with Node's error. */
export async function makeFolder(path: string, mode: number): Promise<void> {
  try {
    await mkdir(path, { mode });
  } catch (error) {
    if (codeOf(error) === "EEXIST" && (await isFolder(path))) return;
    const above = dirname(path);
    if (codeOf(error) !== "ENOENT" || above === path || (await isFolder(above))) throw error;
    await makeFolder(above, mode);
    await makeFolder(path, mode);
  }
}

async function isFolder(path: string): Promise<boolean> {
  return await stat(path).then(
    (facts) => facts.isDirectory(),
    () => false,
  );
}

/** The same for what cannot wait. */
export function makeFolderSync(path: string): void {
  try {
    mkdirSync(path);
  } catch (error) {
    const isFolder = (of: string) => statSync(of, { throwIfNoEntry: false })?.isDirectory() === true;
    if (codeOf(error) === "EEXIST" && isFolder(path)) return;
    const above = dirname(path);
    if (codeOf(error) !== "ENOENT" || above === path || isFolder(above)) throw error;
    makeFolderSync(above);
    makeFolderSync(path);
  }
}
