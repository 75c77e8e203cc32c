import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nodeWorld, silentLogger } from "@skein/base";
import { expect, test } from "vitest";
import { openEmbeddedMetastore } from "./embedded-metastore.ts";

const world = nodeWorld({ log: silentLogger });

test("a process that is killed with -9 leaves all that it acknowledged, in whole transactions", async () => {
  const folder = await mkdtemp(join(tmpdir(), "skein-metastore-"));
  const path = join(folder, "m.sqlite");
  const script = `
    const { nodeWorld } = await import("@skein/base");
    const { openEmbeddedMetastore } = await import(${JSON.stringify(join(import.meta.dirname, "embedded-metastore.ts"))});
    const { writeSync } = await import("node:fs");
    const store = await openEmbeddedMetastore(nodeWorld(), { path: ${JSON.stringify(path)} });
    for (let i = Number(process.argv[1]); ; i++) {
      const lane = (name) => ({ op: "put", key: "/" + name, value: String(i) });
      await Promise.all([store.txn({ success: [lane("a"), lane("b")] }), store.put("/each/" + i, String(i))]);
      writeSync(1, i + "\\n");
    }
  `;
  try {
    let next = 1;
    for (let round = 0; round < 3; round++) {
      const child = spawn(process.execPath, ["--input-type=module", "-e", script, String(next)], {
        cwd: import.meta.dirname,
        stdio: ["ignore", "pipe", "inherit"],
      });
      let heard = "";
      for await (const chunk of child.stdout) {
        heard += String(chunk);
        if (heard.split("\n").length > 200) child.kill("SIGKILL");
      }
      const acknowledged = Number(heard.trimEnd().split("\n").at(-1));
      await using store = await openEmbeddedMetastore(world, { path });
      const [a, b] = await Promise.all([store.get("/a"), store.get("/b")]);
      expect(a?.value).toEqual(b?.value);
      expect(a?.modRevision).toBe(b?.modRevision);
      expect(Number(new TextDecoder().decode(a?.value))).toBeGreaterThanOrEqual(acknowledged);
      const { items } = await store.range({ prefix: "/each/" }, { sortBy: "createRevision" });
      expect(items.slice(0, acknowledged).map((item) => item.key)).toEqual(
        Array.from({ length: acknowledged }, (_, i) => `/each/${i + 1}`),
      );
      next = items.length + 1;
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
