import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nodeWorld } from "@skein/base";
import { afterEach, expect, test } from "vitest";
import { storeErrors } from "../errors.ts";
import { openDataDir } from "./data-dir.ts";

const world = nodeWorld();
const made: string[] = [];
afterEach(async () => {
  for (const path of made.splice(0)) await rm(path, { recursive: true, force: true });
});
async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "skein-"));
  made.push(path);
  return path;
}
const open = (path: string, enableTtl = false) => openDataDir(world, { path, enableTtl, cacheBytes: 1024 * 1024 });
const codeOf = async (work: Promise<AsyncDisposable>): Promise<number> => {
  try {
    await using _opened = await work;
    return 0;
  } catch (error) {
    return (error as { readonly code: number }).code;
  }
};

test("an empty folder becomes a store's, and stays it", async () => {
  const path = join(await folder(), "new");
  expect(await codeOf(open(path))).toBe(0);
  expect(await codeOf(open(path))).toBe(0);
  expect(await readdir(path)).toEqual(["STORE", "db"]);
});

test("two processes cannot use one folder", async () => {
  const path = await folder();
  await using _first = await open(path);
  expect(await codeOf(open(path))).toBe(storeErrors.dataDirLocked.code);
});

test("a folder of something else is left as it is", async () => {
  const path = await folder();
  await mkdir(join(path, "raft-engine"));
  await writeFile(join(path, "db.data"), "x");
  expect(await codeOf(open(path))).toBe(storeErrors.foreignDataDir.code);
  expect(await readdir(path)).toEqual(["db.data", "raft-engine"]);
  const other = await folder();
  await writeFile(join(other, "STORE"), "a list of things to buy");
  expect(await codeOf(open(other))).toBe(storeErrors.foreignDataDir.code);
});

test("files of a supervisor beside it do no harm", async () => {
  const path = await folder();
  await writeFile(join(path, "tikv.log"), "");
  await writeFile(join(path, "tikv.toml"), "");
  expect(await codeOf(open(path))).toBe(0);
});

test("a newer format, and values in another form, are refused", async () => {
  const path = await folder();
  await writeFile(join(path, "STORE"), '{"format":9,"enableTtl":false}');
  expect(await codeOf(open(path))).toBe(storeErrors.newerDataDir.code);
  const other = await folder();
  expect(await codeOf(open(other))).toBe(0);
  expect(await codeOf(open(other, true))).toBe(storeErrors.ttlChanged.code);
});

test("a path that cannot be a folder is named", async () => {
  const path = join(await folder(), "file");
  await writeFile(path, "");
  expect(await codeOf(open(join(path, "below")))).toBe(storeErrors.badDataDir.code);
});
