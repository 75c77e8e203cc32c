/** What every engine must do; run against each implementation. */
import { expect, test } from "vitest";
import type { Engine, EngineReader, Family, KeyRange, ScanOptions } from "../engine.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (value: Uint8Array | null) => (value === null ? null : new TextDecoder().decode(value));
const range = (start: string, end: string): KeyRange => ({ start: bytes(start), end: bytes(end) });

async function pairs(reader: EngineReader, family: Family, within: KeyRange, options?: ScanOptions): Promise<string[]> {
  const out: string[] = [];
  for await (const block of reader.scan(family, within, options))
    for (const { key, value } of block) out.push(`${text(key)}=${text(value)}`);
  return out;
}

export function engineContract(open: () => Promise<Engine>): void {
  const filled = async () => {
    const engine = await open();
    await engine.write(
      ["a", "b", "c", "d"].map((key) => ({ kind: "put", family: "default", key: bytes(key), value: bytes(key.toUpperCase()) })),
    );
    return engine;
  };

  test("what was put is got, what was deleted is not, and families are apart", async () => {
    await using engine = await filled();
    expect(text(engine.get("default", bytes("b")))).toBe("B");
    expect(engine.get("write", bytes("b"))).toBeNull();
    await engine.write([{ kind: "delete", family: "default", key: bytes("b") }]);
    expect(engine.get("default", bytes("b"))).toBeNull();
    await engine.write([{ kind: "put", family: "lock", key: new Uint8Array(0), value: new Uint8Array(0) }]);
    expect(engine.get("lock", new Uint8Array(0))).toHaveLength(0);
  });

  test("scans go both ways, end before the end, and stop at the limit", async () => {
    await using engine = await filled();
    expect(await pairs(engine, "default", range("b", "d"))).toEqual(["b=B", "c=C"]);
    expect(await pairs(engine, "default", range("b", ""))).toEqual(["b=B", "c=C", "d=D"]);
    expect(await pairs(engine, "default", range("", ""), { reverse: true, limit: 3 })).toEqual(["d=D", "c=C", "b=B"]);
    expect(await pairs(engine, "default", range("a", "c"), { keysOnly: true })).toEqual(["a=", "b="]);
    expect(await pairs(engine, "default", range("x", ""))).toEqual([]);
  });

  test("of ranges in order the first pairs are given, near each other and far apart", async () => {
    await using engine = await open();
    const name = (i: number) => `k${String(i).padStart(5, "0")}`;
    // Key i has i % 7 pairs, now and then hundreds.
    const countOf = (i: number) => (i % 97 === 96 ? 300 : i % 7);
    for (let i = 0; i < 400; i++)
      await engine.write(
        Array.from({ length: countOf(i) }, (_, at) => {
          const key = bytes(`${name(i)}/${String(at).padStart(3, "0")}`);
          return { kind: "put", family: "write", key, value: bytes(`${i}/${at}`) } as const;
        }),
      );
    using snapshot = engine.snapshot();
    await engine.write([{ kind: "deleteRange", family: "write", start: bytes("k"), end: bytes("l") }]);
    for (const step of [1, 2, 3, 50])
      for (const limit of [1, 2, 5]) {
        const asked = Array.from({ length: Math.floor(420 / step) }, (_, i) => i * step);
        const heads = await snapshot.heads(
          "write",
          asked.map((i) => range(`${name(i)}/`, `${name(i)}0`)),
          limit,
        );
        const expected = asked.map((i) => Array.from({ length: i < 400 ? Math.min(limit, countOf(i)) : 0 }, (_, at) => `${i}/${at}`));
        expect(heads.map((pairs) => pairs.map(({ value }) => text(value)))).toEqual(expected);
        expect(heads[2]?.map(({ key }) => text(key)?.slice(0, 6))).toEqual(expected[2]?.map(() => name(asked[2] as number)));
      }
    expect(await snapshot.heads("write", [], 3)).toEqual([]);
    expect(await engine.heads("write", [range("a", "z")], 3)).toEqual([[]]);
  });

  test("a snapshot does not change, nor does a scan that has begun", async () => {
    await using engine = await filled();
    using snapshot = engine.snapshot();
    await engine.write([{ kind: "deleteRange", family: "default", start: bytes("a"), end: bytes("z") }]);
    expect(await pairs(snapshot, "default", range("", ""))).toHaveLength(4);
    expect(text(snapshot.get("default", bytes("a")))).toBe("A");
    expect(await pairs(engine, "default", range("", ""))).toEqual([]);
  });

  test("a range deletion takes what the same batch put before it, and nothing put after it", async () => {
    await using engine = await filled();
    const put = (key: string) => ({ kind: "put", family: "default", key: bytes(key), value: bytes("new") }) as const;
    await engine.write([put("bb"), { kind: "deleteRange", family: "default", start: bytes("b"), end: bytes("d") }, put("c")]);
    expect(await pairs(engine, "default", range("", ""))).toEqual(["a=A", "c=new", "d=D"]);
  });

  test("writes take effect in the order of the calls", async () => {
    await using engine = await filled();
    const put = (value: string) => engine.write([{ kind: "put", family: "default", key: bytes("k"), value: bytes(value) }]);
    const first = engine.write([
      { kind: "deleteRange", family: "default", start: bytes("a"), end: bytes("z") },
      { kind: "put", family: "default", key: bytes("k"), value: bytes("1") },
    ]);
    await Promise.all([first, put("2"), put("3"), engine.sync(), put("4")]);
    expect(await pairs(engine, "default", range("", ""))).toEqual(["k=4"]);
  });

  test("a large range is cleared, and its neighbours stay", async () => {
    await using engine = await filled();
    const many = Array.from({ length: 10_000 }, (_, i) => bytes(`c${String(i).padStart(6, "0")}`));
    await engine.write(many.map((key) => ({ kind: "put", family: "default", key, value: bytes("x") })));
    await engine.clear("default", range("c", "d"));
    expect(await pairs(engine, "default", range("", ""))).toEqual(["a=A", "b=B", "d=D"]);
  });
}
