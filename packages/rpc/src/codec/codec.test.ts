import * as fc from "fast-check";
import protobuf from "protobufjs";
import { describe, expect, test } from "vitest";
import { rpcErrors } from "../errors.ts";
import { big, bool, bytes, type Choice, choice, double, embed, i32, i64, many, message, names, text, u32, u64 } from "./codec.ts";

type Inner = { readonly id: number; readonly name: string };
const Inner = message<Inner>("t.Inner", { id: u64(1), name: text(2) });

type All = {
  readonly a: number;
  readonly b: number;
  readonly c: number;
  readonly d: number;
  readonly e: bigint;
  readonly f: boolean;
  readonly g: number;
  readonly h: string;
  readonly i: Uint8Array;
  readonly j: "No" | "Red" | "Blue" | "unrecognized";
  readonly k: Inner | null;
  readonly l: readonly number[];
  readonly m: readonly bigint[];
  readonly n: readonly string[];
  readonly o: readonly Inner[];
  readonly p: readonly boolean[];
  readonly q: readonly Uint8Array[];
};
const All = message<All>("t.All", {
  a: u32(1),
  b: i32(2),
  c: u64(3),
  d: i64(4),
  e: big(5),
  f: bool(6),
  g: double(7),
  h: text(8),
  i: bytes(9),
  j: names(10, ["No", "Red", "Blue"]),
  k: embed(11, Inner),
  l: many(u64(12)),
  m: many(big(13)),
  n: many(text(14)),
  o: many(embed(200, Inner)),
  p: many(bool(16)),
  q: many(bytes(17)),
});
const reference = protobuf
  .parse(
    `syntax = "proto3"; package t; message Inner { uint64 id = 1; string name = 2; } enum Color { No = 0; Red = 1; Blue = 2; }
     message All { uint32 a = 1; int32 b = 2; uint64 c = 3; int64 d = 4; uint64 e = 5; bool f = 6; double g = 7; string h = 8; bytes i = 9;
       Color j = 10; Inner k = 11; repeated uint64 l = 12; repeated uint64 m = 13; repeated string n = 14; repeated Inner o = 200;
       repeated bool p = 16; repeated bytes q = 17; }`,
    { keepCase: true },
  )
  .root.lookupType("t.All");

const inner = fc.record({ id: fc.maxSafeNat(), name: fc.string() });
const data = fc.uint8Array({ maxLength: 200 });
const long = fc.bigInt(0n, 2n ** 64n - 1n);
const all: fc.Arbitrary<All> = fc.record({
  a: fc.nat({ max: 2 ** 32 - 1 }),
  b: fc.integer(),
  c: fc.maxSafeNat(),
  d: fc.maxSafeInteger(),
  e: long,
  f: fc.boolean(),
  g: fc.double({ noNaN: true }),
  h: fc.string({ unit: "grapheme", maxLength: 100 }),
  i: data,
  j: fc.constantFrom("No" as const, "Red" as const, "Blue" as const),
  k: fc.option(inner),
  l: fc.array(fc.maxSafeNat()),
  m: fc.array(long),
  n: fc.array(fc.string()),
  o: fc.array(inner),
  p: fc.array(fc.boolean()),
  q: fc.array(data),
});

test("what was encoded comes back", () => {
  fc.assert(
    fc.property(all, (value) => {
      // Minus zero is a zero, and zeros are not sent.
      expect(All.decode(All.encode(value))).toEqual({ ...value, g: value.g === 0 ? 0 : value.g });
    }),
  );
});

test("another implementation reads it, and is read", () => {
  fc.assert(
    fc.property(all, (value) => {
      const theirs = reference.decode(All.encode(value));
      expect(All.decode(reference.encode(theirs).finish())).toEqual({ ...value, g: value.g === 0 ? 0 : value.g });
    }),
  );
});

describe("what was not sent", () => {
  test("has defaults", () => {
    expect(All.decode(new Uint8Array(0))).toEqual({
      a: 0,
      b: 0,
      c: 0,
      d: 0,
      e: 0n,
      f: false,
      g: 0,
      h: "",
      i: new Uint8Array(0),
      j: "No",
      k: null,
      l: [],
      m: [],
      n: [],
      o: [],
      p: [],
      q: [],
    });
    expect(All.encode({})).toHaveLength(0);
    expect(All.encode({ a: 0, h: "", j: "No", k: null, l: [] })).toHaveLength(0);
  });

  test("an empty message is not an absent one", () => {
    expect(All.decode(All.encode({ k: {} })).k).toEqual({ id: 0, name: "" });
  });
});

test("an element of a list may be empty", () => {
  expect(All.decode(All.encode({ l: [0, 1], n: ["", "x"], q: [new Uint8Array(0)], o: [{}] }))).toMatchObject({
    l: [0, 1],
    n: ["", "x"],
    q: [new Uint8Array(0)],
    o: [{ id: 0, name: "" }],
  });
});

test("numbers of lists are taken one by one, too", () => {
  expect(All.decode(Uint8Array.of(12 << 3, 5, 12 << 3, 6)).l).toEqual([5, 6]);
});

test("unknown fields of all kinds are passed over, unknown names are told", () => {
  const Wide = message<{ readonly x: bigint; readonly y: number; readonly z: string; readonly j: "a" | "b" | "c" | "d" | "unrecognized" }>(
    "t.Wide",
    { x: big(90), y: double(91), z: text(92), j: names(10, ["a", "b", "c", "d"]) },
  );
  const decoded = All.decode(Buffer.concat([Wide.encode({ x: 2n ** 63n, y: 1.5, z: "zzz", j: "d" }), All.encode({ a: 7 })]));
  expect(decoded).toMatchObject({ a: 7, j: "unrecognized" });
  expect(() => All.encode({ j: "unrecognized" })).toThrow(RangeError);
});

test("numbers beyond 2^53-1 are read as that: clients send the largest number for no limit", () => {
  const Big = message<{ readonly c: bigint; readonly d: bigint }>("t.Big", { c: big(3), d: big(4) });
  expect(All.decode(Big.encode({ c: 2n ** 64n - 1n, d: 2n ** 63n - 1n }))).toMatchObject({
    c: Number.MAX_SAFE_INTEGER,
    d: Number.MAX_SAFE_INTEGER,
  });
  expect(All.decode(Big.encode({ d: 2n ** 63n })).d).toBe(-Number.MAX_SAFE_INTEGER);
});

test("what cannot be sent throws, and leaves nothing behind", () => {
  expect(() => All.encode({ a: 1, c: -1 })).toThrow(RangeError);
  expect(() => All.encode({ c: 1.5 })).toThrow(RangeError);
  expect(() => All.encode({ e: 2n ** 64n })).toThrow(RangeError);
  expect(() => All.encode({ k: { id: 2 ** 53 } })).toThrow(RangeError);
  expect(All.decode(All.encode({ a: 1 }))).toMatchObject({ a: 1, c: 0 });
});

test("long messages in messages", () => {
  for (const length of [0, 126, 127, 128, 16_000, 16_384, 70_000, 3_000_000]) {
    const name = "x".repeat(length);
    expect(All.decode(All.encode({ k: { name }, a: 5 }))).toMatchObject({ k: { name }, a: 5 });
  }
});

describe("a choice", () => {
  type Parts = { readonly One: Inner; readonly Two: All };
  const Part = choice<Parts>("t.Part", { One: embed(1, Inner), Two: embed(255, All) });
  type Batch = { readonly parts: readonly Choice<Parts>[]; readonly ids: readonly number[] };
  const Batch = message<Batch>("t.Batch", { parts: many(embed(1, Part)), ids: many(u64(2)) });

  test("is a kind and a value", () => {
    const decoded = Batch.decode(
      Batch.encode({
        parts: [
          { kind: "One", value: { id: 1 } },
          { kind: "Two", value: { a: 5 } },
        ],
        ids: [7, 8],
      }),
    );
    expect(decoded.parts[0]).toEqual({ kind: "One", value: { id: 1, name: "" } });
    expect(decoded.parts[1]).toMatchObject({ kind: "Two", value: { a: 5, h: "" } });
    expect(decoded.ids).toEqual([7, 8]);
  });

  test("of something unknown is null, and keeps its place", () => {
    const Other = choice<{ readonly Three: Inner }>("t.Other", { Three: embed(3, Inner) });
    const three = Other.encode({ kind: "Three", value: { id: 9 } });
    const one = Part.encode({ kind: "One", value: {} });
    const bytes = Buffer.concat([Uint8Array.of(10, three.length), three, Uint8Array.of(10, one.length), one]);
    expect(Batch.decode(bytes).parts).toEqual([null, { kind: "One", value: { id: 0, name: "" } }]);
  });
});

describe("hostile bytes", () => {
  test("any bytes give a message or a coded error", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        try {
          All.decode(bytes);
        } catch (error) {
          expect(rpcErrors.malformedMessage.is(error)).toBe(true);
        }
      }),
      { numRuns: 2000 },
    );
  });

  test("a message that is cut gives a shorter message or a coded error", () => {
    fc.assert(
      fc.property(all, fc.nat(), (value, cut) => {
        const bytes = All.encode(value);
        try {
          All.decode(bytes.subarray(0, cut % (bytes.length + 1)));
        } catch (error) {
          expect(rpcErrors.malformedMessage.is(error)).toBe(true);
        }
      }),
    );
  });

  test.each([
    ["a length beyond the end", [(9 << 3) | 2, 200, 1]],
    ["the largest length", [(9 << 3) | 2, 255, 255, 255, 255, 15]],
    ["a number without an end", [1 << 3, ...Array.from({ length: 20 }, () => 255)]],
    ["a number that is cut", [1 << 3, 128]],
    ["a group", [(1 << 3) | 3]],
    ["a message that is longer than its outer one", [(11 << 3) | 2, 2, (2 << 3) | 2, 5, 65, 65, 65, 65, 65]],
    ["a packed list whose last number is cut", [(12 << 3) | 2, 2, 1, 128]],
    ["a double that is cut", [(7 << 3) | 1, 0, 0]],
    ["an unknown field that is cut", [100, 200]],
  ])("%s", (_what, list) => {
    expect(() => All.decode(Uint8Array.from(list))).toThrow(expect.objectContaining({ code: rpcErrors.malformedMessage.code }));
  });
});

test("a small message does not become a large one: lists have a limit", () => {
  const tooMany = expect.objectContaining({ code: rpcErrors.malformedMessage.code });
  const emptyMessage = Buffer.from([0xc2, 0x0c, 0]); // of field 200
  expect(() => All.decode(Buffer.alloc(3 * 1_000_001, emptyMessage))).toThrow(tooMany);
  expect(All.decode(Buffer.alloc(3 * 1000, emptyMessage)).o).toHaveLength(1000);
  const zeros = Buffer.concat([Uint8Array.of((12 << 3) | 2, 0x81, 0x89, 0x7a), Buffer.alloc(2_000_001)]);
  expect(() => All.decode(zeros)).toThrow(tooMany);
});

test("what is decoded does not change with the message's buffer, as far as it is short", () => {
  const bytes = All.encode({ i: Uint8Array.of(1, 2, 3) });
  const decoded = All.decode(bytes);
  bytes.fill(0);
  expect(decoded.i).toEqual(Uint8Array.of(1, 2, 3));
});
