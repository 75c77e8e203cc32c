import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openClassicEngine } from "./classic-engine.ts";
import { engineContract } from "./testing/contract.ts";

let folder = "";
let count = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "skein-engine-"));
});
afterAll(() => rm(folder, { recursive: true }));

describe("the engine on classic-level", () => {
  engineContract(() => openClassicEngine({ path: join(folder, String(count++)) }));
});

test("what was written is there after a restart, and a second process may not open it", async () => {
  const path = join(folder, "again");
  {
    await using engine = await openClassicEngine({ path });
    await engine.write([{ kind: "put", family: "local", key: new Uint8Array([1]), value: new Uint8Array([2]) }], { sync: true });
    await expect(openClassicEngine({ path })).rejects.toThrow();
  }
  await using engine = await openClassicEngine({ path });
  expect([...(engine.get("local", new Uint8Array([1])) ?? [])]).toEqual([2]);
});
