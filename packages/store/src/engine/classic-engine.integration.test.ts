import { copyFile, mkdir, mkdtemp, readdir, rm, stat, truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { type Disk, nodeWorld } from "@skein/base";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openClassicEngine } from "./classic-engine.ts";
import { engineContract } from "./testing/contract.ts";

const { disk } = nodeWorld();
let folder = "";
let count = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "skein-engine-"));
});
afterAll(() => rm(folder, { recursive: true }));

describe("the engine on classic-level", () => {
  engineContract(() => openClassicEngine({ disk, path: join(folder, String(count++)) }));
});

test("what was written is there after a restart, and a second process may not open it", async () => {
  const path = join(folder, "again");
  {
    await using engine = await openClassicEngine({ disk, path });
    await engine.write([{ kind: "put", family: "local", key: new Uint8Array([1]), value: new Uint8Array([2]) }], { sync: true });
    await expect(openClassicEngine({ disk, path })).rejects.toThrow();
  }
  await using engine = await openClassicEngine({ disk, path });
  expect([...(engine.get("local", new Uint8Array([1])) ?? [])]).toEqual([2]);
});

/**
 * Power failures. Tables and manifests are durable before LevelDB relies on them; of a write-ahead file is left what was there
 * when it was last synced, or, where the system wrote more back by itself, all of it.
 */
describe("after a power failure", () => {
  const pairs = 1500;
  const nameOf = (i: number) => Buffer.from(String(i).padStart(6, "0"));

  /** A disk that knows how long each file was when it was last synced. */
  function watched(): { readonly disk: Disk; readonly synced: Map<string, number> } {
    const synced = new Map<string, number>();
    return {
      synced,
      disk: {
        ...disk,
        open: async (path, options) => {
          const file = await disk.open(path, options);
          return {
            ...file,
            size: () => file.size(),
            read: (offset, length) => file.read(offset, length),
            write: (offset, data) => file.write(offset, data),
            truncate: (length) => file.truncate(length),
            close: () => file.close(),
            [Symbol.asyncDispose]: () => file[Symbol.asyncDispose](),
            sync: async () => {
              const bytes = await file.size();
              await file.sync();
              synced.set(basename(path), bytes);
            },
          };
        },
      },
    };
  }

  /** What a failure now would leave. `keepsNewest`: the system happened to write the newest file back, and nothing else. */
  async function leftOf(path: string, synced: ReadonlyMap<string, number>, keepsNewest: boolean): Promise<string> {
    for (;;) {
      const left = join(folder, `left-${count++}`);
      await mkdir(left);
      try {
        const logs = (await readdir(path)).filter((name) => /^\d+\.log$/.test(name)).sort();
        for (const name of logs) await copyFile(join(path, name), join(left, name));
        // Files that these refer to come after them: what is deleted meanwhile is noticed.
        for (const kind of [/^CURRENT$/, /^MANIFEST-/, /\.ldb$/])
          for (const name of (await readdir(path)).filter((each) => kind.test(each))) await copyFile(join(path, name), join(left, name));
        for (const name of logs)
          if (!keepsNewest || name !== logs.at(-1))
            await truncate(join(left, name), Math.min(synced.get(name) ?? 0, (await stat(join(left, name))).size));
        return left;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      }
    }
  }

  async function keysIn(path: string): Promise<number[]> {
    await using engine = await openClassicEngine({ disk, path });
    const keys: number[] = [];
    for await (const block of engine.scan("default", { start: new Uint8Array(0), end: new Uint8Array(0) }))
      for (const { key } of block) keys.push(Number(Buffer.from(key).toString()));
    return keys;
  }

  const upTo = (end: number) => Array.from({ length: end }, (_, i) => i);
  const put = (i: number) => [{ kind: "put", family: "default", key: nameOf(i), value: Buffer.alloc(700, i) }] as const;

  test("what was synced is there, also when the write-ahead file was changed just before", async () => {
    const { disk: own, synced } = watched();
    const path = join(folder, "synced");
    await using engine = await openClassicEngine({ disk: own, path, writeBufferBytes: 64 * 1024 });
    for (let i = 0; i < pairs; i++) {
      await engine.write(put(i), { sync: i % 31 === 30 });
      if (i % 67 === 66) await engine.sync();
      if (i % 67 !== 66 && i % 31 !== 30) continue;
      const left = await leftOf(path, synced, false);
      expect(await keysIn(left)).toEqual(upTo(i + 1));
      await rm(left, { recursive: true });
    }
  });

  test("of what nobody synced a beginning is there, whatever the system wrote back", async () => {
    const { disk: own, synced } = watched();
    const path = join(folder, "unsynced");
    await using engine = await openClassicEngine({ disk: own, path, writeBufferBytes: 64 * 1024 });
    for (let i = 0; i < pairs; i++) {
      await engine.write(put(i));
      if (i % 29 !== 28) continue;
      const left = await leftOf(path, synced, true);
      const keys = await keysIn(left);
      expect(keys).toEqual(upTo(keys.length));
      await rm(left, { recursive: true });
    }
    expect(synced.size).toBeGreaterThan(10); // files; not every write was synced for it
  });
});
