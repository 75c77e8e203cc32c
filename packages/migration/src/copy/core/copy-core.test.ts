import { parseCreateTable } from "@skein/mysql";
import { describe, expect, test } from "vitest";
import {
  boundaryByCount,
  boundaryQuery,
  type Chunk,
  chunkCondition,
  chunkKey,
  greatestQuery,
  isDense,
  nextNumber,
  remainingStretches,
  rowsPerChunk,
  wholeTable,
} from "./chunk-plan.ts";
import { copyColumns } from "./columns.ts";
import { createRowEncoder, type EncodedColumn } from "./encode-rows.ts";
import { parseExtraArguments, parseSize } from "./extra-args.ts";
import { etaSeconds, RateMeter } from "./rate.ts";

const table = (body: string) => parseCreateTable(`CREATE TABLE \`t\` (${body})`, { schema: "d", flavor: "mariadb" });

/** Rows as the text protocol carries them; null is NULL. */
function packets(rows: readonly (readonly (string | null)[])[]) {
  const starts: number[] = [];
  const ends: number[] = [];
  let text = "";
  for (const row of rows) {
    starts.push(text.length);
    for (const value of row) {
      if (value === null) text += "\u00fb";
      else if (value.length < 0xfb) text += String.fromCharCode(value.length) + value;
      else text += `\u00fc${String.fromCharCode(value.length & 255, value.length >> 8)}${value}`;
    }
    ends.push(text.length);
  }
  return { bytes: Buffer.from(text, "latin1"), count: rows.length, starts, ends };
}

describe("rows into statements", () => {
  const column = (kind: EncodedColumn["kind"], introducer = ""): EncodedColumn => ({ kind, introducer });
  const columns = [column("plain"), column("quoted"), column("escaped", "_latin1"), column("hex")];

  test("SQL: quotes, escapes, introducers, hexadecimal, NULL, constants", () => {
    const encoder = createRowEncoder(columns, { format: "sql", constants: ["'c'"], head: "INSERT INTO t VALUES ", pieceBytes: 1000 });
    const rows = packets([
      ["-1", "2024-01-01", "it's \\ \0 \u00e9", "\0\u00ff"],
      [null, null, null, null],
    ]);
    expect(encoder.add(rows, 0)).toBe(2);
    expect(encoder.take()?.toString("latin1")).toBe(
      "INSERT INTO t VALUES (-1,'2024-01-01',_latin1'it\\'s \\\\ \\0 \u00e9',x'00ff','c'),(NULL,NULL,NULL,NULL,'c')",
    );
    expect(encoder.take()).toBeNull();
  });

  test("TSV: what ends fields and lines is escaped, NULL is not the text \\N", () => {
    const encoder = createRowEncoder([column("plain"), column("escaped"), column("escaped")], {
      format: "tsv",
      constants: ["k"],
      head: "",
      pieceBytes: 1000,
    });
    encoder.add(
      packets([
        ["1", "a\tb\nc\\d\r\0", "\\N"],
        [null, "x".repeat(300), null],
      ]),
      0,
    );
    expect(encoder.take()?.toString("latin1")).toBe(`1\ta\\tb\\nc\\\\d\\r\\0\t\\\\N\tk\n\\N\t${"x".repeat(300)}\t\\N\tk\n`);
  });

  test("a piece ends at its size, and a row that is larger is a piece of its own", () => {
    const encoder = createRowEncoder([column("escaped")], { format: "sql", constants: [], head: "V ", pieceBytes: 64 });
    const rows = packets([["a".repeat(5000)], ["b".repeat(30)], ["c".repeat(30)], ["d"]]);
    const pieces: string[] = [];
    for (let from = 0; from < rows.count; ) {
      from = encoder.add(rows, from);
      if (encoder.isFull) pieces.push(encoder.take()?.toString("latin1") ?? "");
    }
    pieces.push(encoder.take()?.toString("latin1") ?? "");
    expect(pieces).toEqual([`V ('${"a".repeat(5000)}')`, `V ('${"b".repeat(30)}'),('${"c".repeat(30)}')`, "V ('d')"]);
  });
});

describe("columns", () => {
  test("generated ones are left out, floats are read as doubles, other charsets are named", () => {
    const source = table(
      "`a` int(11), `b` float, `c` varchar(9) CHARACTER SET latin1, `d` int(11) GENERATED ALWAYS AS (`a` + 1) STORED, `e` bit(9)",
    );
    const there = table("`a` int(11), `b` float, `c` varchar(9) CHARACTER SET utf8mb4, `d` int(11), `e` bit(9), `x` text");
    expect(copyColumns(source, there, ["x"])).toEqual({
      select: "`a`, `b` + 0e0, `c`, `e`",
      insert: "`a`,`b`,`c`,`e`,`x`",
      encoded: [
        { kind: "plain", introducer: "" },
        { kind: "quoted", introducer: "" },
        { kind: "escaped", introducer: "_latin1" },
        { kind: "hex", introducer: "" },
      ],
      isPlain: false,
      isBytes: false,
    });
    expect(copyColumns(source, table("`a` int(11)"), [])).toEqual({ missing: ["b", "c", "e"] });
  });
});

describe("chunks", () => {
  test("the key is the primary one, else a unique one without NULL; a part that is no good bound ends it", () => {
    expect(chunkKey(table("`a` int(11) NOT NULL, `b` int(11) NOT NULL, UNIQUE KEY `u` (`b`), PRIMARY KEY (`a`)"))?.index).toBe("PRIMARY");
    expect(chunkKey(table("`a` int(11) DEFAULT NULL, `b` int(11) NOT NULL, UNIQUE KEY `n` (`a`), UNIQUE KEY `u` (`b`)"))?.index).toBe("u");
    expect(chunkKey(table("`a` int(11) DEFAULT NULL, UNIQUE KEY `n` (`a`)"))).toBeNull();
    const mixed = chunkKey(table("`a` int(11) NOT NULL, `e` enum('x') NOT NULL, `b` int(11) NOT NULL, PRIMARY KEY (`a`,`e`,`b`)"));
    expect(mixed?.columns.map(({ name }) => name)).toEqual(["a"]);
  });

  test("conditions are ranges of a composite key", () => {
    const key = chunkKey(table("`a` int(11) NOT NULL, `b` int(11) NOT NULL, PRIMARY KEY (`a`,`b`)"));
    if (key === null) throw new Error("no key");
    expect(chunkCondition(key, { lower: ["1", "2"], upper: ["3", "4"] })).toBe(
      "((`a` > 1) OR (`a` = 1 AND `b` > 2)) AND ((`a` < 3) OR (`a` = 3 AND `b` <= 4))",
    );
    expect(chunkCondition(key, { lower: null, upper: null })).toBe("");
    expect(boundaryQuery("t", key, ["1", "2"], null, 10)).toBe(
      "SELECT `a`, `b` FROM t FORCE INDEX (`PRIMARY`) WHERE ((`a` > 1) OR (`a` = 1 AND `b` > 2)) ORDER BY `a`, `b` LIMIT 1 OFFSET 9",
    );
  });

  test("a dense key of one integer is cut by counting, and only that", () => {
    const keyOf = (body: string) => chunkKey(table(body));
    const whole = keyOf("`a` bigint(20) NOT NULL, PRIMARY KEY (`a`)");
    expect(whole?.isInteger).toBe(true);
    expect(keyOf("`a` int(11) NOT NULL, `b` int(11) NOT NULL, PRIMARY KEY (`a`,`b`)")?.isInteger).toBe(false);
    // The second part is no bound, but there may be any number of rows with one `a`.
    expect(keyOf("`a` int(11) NOT NULL, `e` enum('x') NOT NULL, PRIMARY KEY (`a`,`e`)")?.isInteger).toBe(false);
    expect(keyOf("`a` decimal(10,2) NOT NULL, PRIMARY KEY (`a`)")?.isInteger).toBe(false);
    expect(isDense({ lower: ["100"], upper: ["200"] }, 100)).toBe(true);
    expect(isDense({ lower: ["-50"], upper: ["75"] }, 100)).toBe(true);
    expect(isDense({ lower: ["100"], upper: ["300"] }, 100)).toBe(false);
    expect(isDense({ lower: null, upper: ["300"] }, 300)).toBe(false);
    expect(isDense({ lower: ["18446744073709551000"], upper: ["18446744073709551100"] }, 100)).toBe(true);
    expect(boundaryByCount(["100"], null, "1000", 50)).toEqual(["150"]);
    expect(boundaryByCount(["18446744073709551000"], null, "18446744073709551615", 50)).toEqual(["18446744073709551050"]);
    expect(boundaryByCount(["100"], null, "150", 50)).toBeNull();
    expect(boundaryByCount(["100"], null, null, 50)).toBeNull();
    expect(boundaryByCount(["100"], ["150"], "1000", 50)).toBeNull();
    expect(boundaryByCount(["100"], ["151"], "1000", 50)).toEqual(["150"]);
    expect(greatestQuery("t", whole as NonNullable<typeof whole>)).toBe("SELECT MAX(`a`) FROM t");
  });

  test("what is left is exactly what no chunk covers, however often holes are filled in part", () => {
    const bound = (at: number | null) => (at === null ? null : [`${at}`]);
    // Deterministic shuffles of which chunks were done before each crash.
    for (let seed = 1; seed <= 200; seed++) {
      let state = seed;
      const draw = () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
      const end = 40;
      let done: Chunk[] = [];
      for (let round = 0; round < 12; round++) {
        const planned: Chunk[] = [];
        for (let stretch of remainingStretches(done)) {
          for (;;) {
            const { number, mayCut } = nextNumber(stretch);
            const from = stretch.lower === null ? 0 : Number(stretch.lower[0]);
            const to = stretch.upper === null ? end : Number(stretch.upper[0]);
            const cut = from + 1 + Math.floor(draw() * 4);
            if (!mayCut || cut >= to) {
              planned.push({ number, lower: stretch.lower, upper: stretch.upper });
              break;
            }
            planned.push({ number, lower: stretch.lower, upper: bound(cut) });
            stretch = { ...stretch, lower: bound(cut), after: number };
          }
        }
        done = [...done, ...planned.filter(() => round === 11 || draw() < 0.5)];
        expect(new Set(done.map(({ number }) => number)).size).toBe(done.length);
      }
      expect(remainingStretches(done)).toEqual([]);
      const covered = done.flatMap(({ lower, upper }) => {
        const from = lower === null ? 0 : Number(lower[0]);
        const to = upper === null ? end : Number(upper[0]);
        return Array.from({ length: to - from }, (_, index) => from + index + 1);
      });
      expect(covered.sort((a, b) => a - b)).toEqual(Array.from({ length: end }, (_, index) => index + 1));
    }
  });

  test("sizes", () => {
    expect(rowsPerChunk(200, { bytes: 16 << 20, rowsMax: 200_000 })).toBe(83_886);
    expect(rowsPerChunk(1, { bytes: 16 << 20, rowsMax: 200_000 })).toBe(200_000);
    expect(rowsPerChunk(1 << 30, { bytes: 16 << 20, rowsMax: 200_000 })).toBe(100);
    expect(remainingStretches([])).toEqual([wholeTable]);
  });
});

test("extra arguments: known ones count, unknown ones are refused by name", () => {
  expect(parseExtraArguments("--consistency none --where 'a > 1 AND b = \"x\"' -F 128 -B a,b -T d.t -W")).toMatchObject({
    consistency: "none",
    where: 'a > 1 AND b = "x"',
    fileBytes: 128 * 1024 * 1024,
    databases: ["a", "b"],
    tables: ["d.t"],
  });
  expect(parseExtraArguments("").consistency).toBeNull();
  expect(() => parseExtraArguments("--nonsense")).toThrow("--nonsense");
  expect(() => parseExtraArguments("--consistency maybe")).toThrow("maybe");
  expect(parseSize("64MiB", 1)).toBe(64 << 20);
  expect(parseSize("x", 1)).toBeNull();
});

test("rates are those of the last seconds, and an ETA needs one", () => {
  const meter = new RateMeter();
  meter.note(0, 0, 0);
  for (let second = 1; second <= 30; second++) meter.note(second * 1000, second < 20 ? 0 : (second - 19) * 100, 0);
  expect(meter.rates(30_000, 1100, 0).rowsPerSecond).toBeGreaterThan(90);
  expect(etaSeconds(1000, 100)).toBe(10);
  expect(etaSeconds(1000, 0)).toBeNull();
});
