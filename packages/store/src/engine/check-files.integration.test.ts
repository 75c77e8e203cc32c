import { cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nodeWorld, seededRandom } from "@skein/base";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { checkEngineFiles, isOfStoreItself, patchFiles, touches } from "./check-files.ts";
import { openClassicEngine } from "./classic-engine.ts";
import { crc32c } from "./core/crc32c.ts";

const world = nodeWorld();
const random = seededRandom(12);
const count = 3_000;
const key = (number: number) => Buffer.from(`key/${String(number).padStart(6, "0")}`);
// half of them are worth compressing
const value = (number: number) => (number % 2 === 0 ? Buffer.alloc(100, `v${number} `) : Buffer.from(random.bytes(100)));
const writeBufferBytes = 128 * 1024;

let folder: string;
let original: string;
let files: readonly string[];
const values: Buffer[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "skein-files-"));
  original = join(folder, "original");
  const write = async (upTo: number) => {
    await using engine = await openClassicEngine({ disk: world.disk, path: original, writeBufferBytes });
    while (values.length < upTo) {
      const at = values.length;
      for (let i = at; i < at + 50; i++) values.push(value(i));
      await engine.write(
        Array.from({ length: 50 }, (_, i) => ({ kind: "put", family: "default", key: key(at + i), value: values[at + i] as Buffer })),
      );
    }
    expect(await checkEngineFiles(world.disk, original, { isAtRest: false })).toEqual([]);
  };
  await write(count - 200);
  await write(count); // what was left of tables that a compaction had replaced goes when it is opened again
  files = (await readdir(original)).filter((name) => /\.(ldb|log)$/.test(name));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

test("the checksum is that of LevelDB's files", () => {
  expect(crc32c(Buffer.from("123456789")).toString(16)).toBe("e3069283");
});

test("files that nobody harmed are whole, at rest and in use; no folder is no damage", async () => {
  expect(await checkEngineFiles(world.disk, original, { isAtRest: true })).toEqual([]);
  expect(await checkEngineFiles(world.disk, join(folder, "none"), { isAtRest: true })).toEqual([]);
});

test("a changed byte anywhere is found; a table is mended so that it loses what it tells, and nothing else", async () => {
  const seen = { mended: 0, hopeless: 0 };
  for (let n = 0; n < 80; n++) {
    const path = join(folder, "harmed");
    await rm(path, { recursive: true, force: true });
    await cp(original, path, { recursive: true });
    const name = files[n % files.length] as string;
    const bytes = await readFile(join(path, name));
    if (bytes.length === 0) continue;
    const at = random.below(bytes.length);
    bytes[at] = (bytes[at] as number) ^ (1 << random.below(8));
    await writeFile(join(path, name), bytes);
    const where = `byte ${at} of ${bytes.length} of ${name}`;
    const damages = await checkEngineFiles(world.disk, path, { isAtRest: true });
    // the last record of a log may be one that was just being written; footers have bytes without meaning
    if (damages.length === 0) {
      expect(name.endsWith(".log") || at > bytes.length - 48, where).toBe(true);
      continue;
    }
    if (damages.some(({ patch }) => patch === null)) {
      seen.hopeless++;
      continue;
    }
    seen.mended++;
    await patchFiles(world.disk, damages);
    expect(await checkEngineFiles(world.disk, path, { isAtRest: true }), where).toEqual([]);
    await using engine = await openClassicEngine({ disk: world.disk, path, writeBufferBytes });
    const lost: number[] = [];
    for (const [i, wanted] of values.entries()) {
      const found = engine.get("default", key(i));
      if (found === null) lost.push(i);
      else if (!wanted.equals(found)) throw new Error(`${where}: key ${i} has another value`);
    }
    const isTold = (i: number) => damages.some(({ span }) => span !== null && touches(span, { start: key(i), end: key(i + 1) }));
    expect(
      lost.filter((i) => !isTold(i)),
      where,
    ).toEqual([]);
    expect(lost.length).toBeLessThan(count / 10);
    let scanned = 0;
    for await (const block of engine.scan("default", { start: new Uint8Array(0), end: new Uint8Array(0) })) scanned += block.length;
    expect(scanned, where).toBe(count - lost.length);
    // what is written to a key that was lost is there
    await engine.write(lost.map((i) => ({ kind: "put", family: "default", key: key(i), value: values[i] as Buffer })));
    for (const i of lost) expect(engine.get("default", key(i)), where).not.toBeNull();
  }
  expect(seen.mended).toBeGreaterThan(30);
  expect(seen.hopeless).toBeGreaterThan(3);
}, 60_000);

describe("which regions a span touches", () => {
  const span = (first: string, last: string) => ({ first: Buffer.from(first), last: Buffer.from(last) });
  const region = (start: string, end: string) => ({ start: Buffer.from(start), end: Buffer.from(end) });
  test.each([
    [span("db", "dc"), region("a", "b"), false],
    [span("db", "dc"), region("a", "ba"), true],
    [span("db", "dc"), region("c", ""), true],
    [span("db", "dc"), region("ca", ""), false],
    // from one family into the next
    [span("dx", "kb"), region("a", "b"), true],
    [span("dx", "kb"), region("c", "d"), false],
    [span("dx", "kb"), region("y", ""), true],
    [span("la", "lz"), region("", ""), false],
  ])("%#", (given, range, expected) => {
    expect(touches(given, range)).toBe(expected);
  });

  test("what holds for the whole store is told apart", () => {
    const of = (first: string, last: string) => isOfStoreItself({ file: "", offset: 0, patch: null, span: span(first, last) });
    expect([of("da", "kz"), of("la", "lb"), of("kz", "la"), of("wa", "wz"), of("dz", "wa")]).toEqual([false, true, true, false, true]);
  });
});
