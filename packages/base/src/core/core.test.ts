import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import { formatDuration, parseDuration } from "./duration.ts";
import { CodedError, define } from "./errors.ts";
import { seededRandom } from "./random.ts";
import { Secret } from "./secret.ts";

describe("coded errors", () => {
  const busy = define({
    code: 38026,
    class: "dm-master",
    scope: "internal",
    level: "high",
    message: (worker: string) => `worker ${worker} exist ddl lock`,
    workaround: "Please unlock ddl lock first.",
  });

  test("print code, message, cause and workaround, and leave absent parts out", () => {
    expect(busy(["w1"]).message).toBe(
      "[code=38026:class=dm-master:scope=internal:level=high], Message: worker w1 exist ddl lock, Workaround: Please unlock ddl lock first.",
    );
    expect(busy(["w1"], new Error("disk full")).message).toContain(", RawCause: disk full, Workaround:");
  });

  test("keep their cause, and are told by code", () => {
    const cause = new Error("x");
    const error = busy(["w1"], cause);
    expect(error.cause).toBe(cause);
    expect(busy.is(error)).toBe(true);
    expect(busy.is(new Error("38026"))).toBe(false);
    expect(error.with({ scope: "upstream", annotate: "while starting" })).toMatchObject({
      scope: "upstream",
      detail: "while starting: worker w1 exist ddl lock",
    });
  });

  test("a coded cause keeps its own code in the text", () => {
    expect(busy(["w"], busy(["v"])).rawCause).toContain("[code=38026");
    expect(busy(["w"])).toBeInstanceOf(CodedError);
  });
});

describe("durations", () => {
  test.each([
    ["5m", 300_000, "5m0s"],
    ["1h2m3s", 3_723_000, "1h2m3s"],
    ["1.5s", 1_500, "1.5s"],
    ["300ms", 300, "300ms"],
    ["0", 0, "0s"],
    ["-10s", -10_000, "-10s"],
    ["30", null, ""],
    ["", null, ""],
    ["5 m", null, ""],
  ])("%s", (text, ms, printed) => {
    expect(parseDuration(text)).toBe(ms);
    if (ms !== null) expect(formatDuration(ms)).toBe(printed);
  });
});

describe("secrets", () => {
  test("show stars everywhere but in reveal()", () => {
    const secret = new Secret("hunter2");
    expect(`${String(secret)} ${JSON.stringify({ secret })} ${inspect({ secret })}`).not.toContain("hunter2");
    expect(secret.reveal()).toBe("hunter2");
  });
});

describe("seeded random", () => {
  test("the same seed and name draw the same; forks do not shift their parent", () => {
    const draws = (use: boolean) => {
      const random = seededRandom(42);
      if (use) random.fork("other").u32();
      return [random.u32(), random.u32(), random.float()];
    };
    expect(draws(false)).toEqual(draws(true));
    expect(seededRandom(42).u32()).not.toBe(seededRandom(43).u32());
    expect(seededRandom(42).fork("a").u32()).not.toBe(seededRandom(42).fork("b").u32());
  });

  test("bounds hold", () => {
    const random = seededRandom(7);
    for (let i = 0; i < 1000; i++) {
      expect(random.between(3, 5)).toBeGreaterThanOrEqual(3);
      expect(random.between(3, 5)).toBeLessThanOrEqual(5);
    }
    expect(() => random.pick([])).toThrow(RangeError);
  });
});
