import { describe, expect, test } from "vitest";
import { parseGtidSet } from "../../gtid/gtid-set.ts";
import { comparePositions, comparePositionsByGtid, formatPosition, type Position, parseBinlogFileName, parsePosition } from "./position.ts";

const at = (file: string, offset: number): Position => ({ file, offset, gtidSet: null });

test("positions print and read back", () => {
  expect(formatPosition(at("mysql-bin.000001", 1234))).toBe("(mysql-bin.000001, 1234)");
  expect(parsePosition("(mysql-bin.000001, 1234)")).toEqual(at("mysql-bin.000001", 1234));
  expect(parsePosition("mysql-bin|000002.000001:9000000000")).toEqual(at("mysql-bin|000002.000001", 9_000_000_000));
  for (const text of ["", "x", "(a, b)", "(a, 99999999999999999)"]) expect(() => parsePosition(text)).toThrow(RangeError);
});

test("file names have a base, a relay suffix and a number", () => {
  expect(parseBinlogFileName("my.host-bin|000002.000013")).toEqual({ base: "my.host-bin", suffix: 2, sequence: 13 });
  expect(parseBinlogFileName("mysql-bin.1000000")).toEqual({ base: "mysql-bin", suffix: 0, sequence: 1_000_000 });
  expect(parseBinlogFileName("nonsense")).toBeNull();
});

describe("order", () => {
  const ascending = [
    at("", 4),
    at("mysql-bin.000001", 4),
    at("mysql-bin.000001", 5_000_000_000),
    at("mysql-bin.000002", 4),
    at("mysql-bin.999999", 4),
    at("mysql-bin.1000000", 4),
    at("other-bin.000001", 4),
    at("mysql-bin|000001.000001", 4),
    at("mysql-bin|000002.000001", 4),
  ];
  test("by relay suffix, base, number, offset", () => {
    for (let left = 0; left < ascending.length; left++) {
      for (let right = 0; right < ascending.length; right++) {
        expect(Math.sign(comparePositions(ascending[left] as Position, ascending[right] as Position))).toBe(Math.sign(left - right));
      }
    }
  });
  test("by GTID where both have one", () => {
    const uuid = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
    const with_ = (text: string, offset: number): Position => ({ file: "mysql-bin.000001", offset, gtidSet: parseGtidSet(text, "mysql") });
    expect(comparePositionsByGtid(with_(`${uuid}:1-5`, 9), with_(`${uuid}:1-6`, 4))).toBe(-1);
    expect(comparePositionsByGtid(with_(`${uuid}:1-5`, 9), with_(`${uuid}:2-6`, 4))).toBeNull();
    expect(comparePositionsByGtid(with_(`${uuid}:1-5`, 9), with_(`${uuid}:1-5`, 4))).toBe(0);
    expect(comparePositionsByGtid(at("a.000001", 9), with_(`${uuid}:1-5`, 4))).toBeLessThan(0);
  });
});
