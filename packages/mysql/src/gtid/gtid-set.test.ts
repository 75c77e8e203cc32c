import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { gtidFlavorOf, gtidSetContains, gtidSetSubtract, gtidSetUnion, parseGtidSet } from "./gtid-set.ts";
import { MariadbGtidSet, parseMariadbGtidSet } from "./mariadb-gtid-set.ts";
import { decodeMysqlGtidSet, MysqlGtidSet, parseMysqlGtidSet } from "./mysql-gtid-set.ts";

const a = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
const b = "8ae75dd2-e59f-11f1-b337-02fc00000001";

describe("MySQL", () => {
  test.each([
    ["", ""],
    [`${a}:1-5`, `${a}:1-5`],
    [` ${a.toUpperCase()} : 1 - 5 , \n ${b}:7 `, `${a}:1-5,${b}:7`],
    [`${b}:3:1:2,${a}:5`, `${a}:5,${b}:1-3`],
    [`${a}:1-3:5-7:4`, `${a}:1-7`],
    [`${a}:1-5:8:tag:1-3:other_1:9`, `${a}:1-5:8:other_1:9:tag:1-3`],
    [`${a}:tag:1-3,${a}:1`, `${a}:1:tag:1-3`],
    [`${a}:9223372036854775807`, `${a}:9223372036854775807`],
    [`${a}:5-3:1`, `${a}:1`],
  ])("%j prints as %j", (text, printed) => {
    expect(parseMysqlGtidSet(text).toString()).toBe(printed);
    expect(decodeMysqlGtidSet(parseMysqlGtidSet(text).encode()).toString()).toBe(printed);
  });

  test.each([
    a,
    `${a}:0`,
    `${a}:x-1`,
    "0-1-2",
    `${a}:9223372036854775808`,
    `${a}:1-`,
    `${a.slice(1)}:1`,
    `${a}:1:a_tag_that_is_longer_than_the_32_characters_of_tags:1`,
  ])("%j is refused", (text) => {
    expect(() => parseMysqlGtidSet(text)).toThrow(RangeError);
  });

  test("hostile binary forms are refused, and cost nothing", () => {
    const lying = Buffer.alloc(48, 0xff);
    expect(() => decodeMysqlGtidSet(lying)).toThrow();
    const manyIntervals = Buffer.from(parseMysqlGtidSet(`${a}:1-5`).encode());
    manyIntervals.writeBigUInt64LE(0xffff_ffffn, 24);
    expect(() => decodeMysqlGtidSet(manyIntervals)).toThrow(RangeError);
    expect(() => decodeMysqlGtidSet(new Uint8Array(3))).toThrow();
  });

  test("a new number joins its interval; an old one changes nothing", () => {
    let set: MysqlGtidSet = new MysqlGtidSet();
    for (const number of [1, 2, 3, 5, 4, 2]) set = set.add(`${a}:${number}`);
    set = set.add(`${a}:tag:1`);
    expect(set.toString()).toBe(`${a}:1-5:tag:1`);
    expect(set.add(`${a}:3`)).toBe(set);
    expect(set.has(a, 5n)).toBe(true);
    expect(set.has(a, 6n)).toBe(false);
  });

  test("union, subtract and contains agree with sets of numbers", () => {
    const numbers = fc.uniqueArray(fc.record({ source: fc.constantFrom(a, b, `${a}:tag`), number: fc.bigInt(1n, 40n) }), {
      selector: ({ source, number }) => `${source}:${number}`,
      maxLength: 60,
    });
    const setOf = (items: readonly { source: string; number: bigint }[]) =>
      items.reduce((set, { source, number }) => set.addNumber(source, number), new MysqlGtidSet());
    const textOf = (items: readonly { source: string; number: bigint }[]) =>
      setOf([...items].sort((x, y) => Number(x.number - y.number))).toString();
    fc.assert(
      fc.property(numbers, numbers, (left, right) => {
        const has = (items: typeof left, item: (typeof left)[number]) =>
          items.some(({ source, number }) => source === item.source && number === item.number);
        expect(setOf(left).union(setOf(right)).toString()).toBe(textOf([...left, ...right.filter((item) => !has(left, item))]));
        expect(setOf(left).subtract(setOf(right)).toString()).toBe(textOf(left.filter((item) => !has(right, item))));
        expect(setOf(left).contains(setOf(right))).toBe(right.every((item) => has(left, item)));
        expect(parseMysqlGtidSet(setOf(left).toString()).equals(setOf(left))).toBe(true);
        expect(decodeMysqlGtidSet(setOf(left).encode()).equals(setOf(left))).toBe(true);
      }),
      { seed: 11, numRuns: 300 },
    );
  });
});

describe("MariaDB", () => {
  test("one position per domain, the last one", () => {
    const set = parseMariadbGtidSet("1-2-7, 0-1-100,0-3-90");
    expect(set.toString()).toBe("0-1-100,1-2-7");
    expect(set.add("0-2-101").toString()).toBe("0-2-101,1-2-7");
    expect(set.contains(parseMariadbGtidSet("0-9-100"))).toBe(true);
    expect(set.contains(parseMariadbGtidSet("0-1-101"))).toBe(false);
    expect(set.contains(parseMariadbGtidSet("5-1-1"))).toBe(false);
    expect(set.subtract(parseMariadbGtidSet("0-1-100")).toString()).toBe("1-2-7");
    expect(new MariadbGtidSet().isEmpty).toBe(true);
  });
  test.each(["0-1", "0-1-2-3", "4294967296-1-1", "a-b-c", "0-1-18446744073709551616"])("%j is refused", (text) => {
    expect(() => parseMariadbGtidSet(text)).toThrow(RangeError);
  });
});

test("both families behind one set of functions", () => {
  expect(gtidFlavorOf("0-1-2,1-1-1")).toBe("mariadb");
  expect(gtidFlavorOf(`${a}:1`)).toBe("mysql");
  expect(gtidFlavorOf("  ")).toBeNull();
  const mysql = parseGtidSet(`${a}:1-5`, "mysql");
  const mariadb = parseGtidSet("0-1-5", "mariadb");
  expect(gtidSetContains(mysql, parseGtidSet("", "mariadb"))).toBe(true);
  expect(gtidSetContains(mysql, mariadb)).toBe(false);
  expect(gtidSetUnion(mysql, parseGtidSet("", "mariadb"))).toBe(mysql);
  expect(() => gtidSetUnion(mysql, mariadb)).toThrow(RangeError);
  expect(gtidSetSubtract(mysql, mysql).isEmpty).toBe(true);
});
