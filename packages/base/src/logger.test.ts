import { describe, expect, test } from "vitest";
import { Secret } from "./core/secret.ts";
import { createLogger, formatLogTime } from "./logger.ts";

function lines(format: "text" | "json", level: "debug" | "info" = "info") {
  const out: string[] = [];
  const log = createLogger({
    level,
    format,
    sink: { write: (line) => void out.push(line) },
    nowMs: () => 1_704_179_045_000,
    offsetMinutes: () => 480,
  });
  return { log, out };
}

describe("logger", () => {
  test("prints the field's text form", () => {
    const { log, out } = lines("text");
    log.with({ component: "syncer", task: "t1" }).info("replication started", { position: "(bin.000001, 4)", password: new Secret("x") });
    expect(out).toEqual([
      '[2024/01/02 15:04:05.000 +08:00] [INFO] [syncer] ["replication started"] [task=t1] [position="(bin.000001, 4)"] [password=******]\n',
    ]);
  });

  test("prints one JSON object a line, bigints as text", () => {
    const { log, out } = lines("json");
    log.warn("x", { rows: 5, gtid: 2n ** 64n });
    expect(JSON.parse(out[0] as string)).toMatchObject({ level: "warn", message: "x", rows: 5, gtid: "18446744073709551616" });
  });

  test("keeps quiet below its level, and a line is one line", () => {
    const { log, out } = lines("text");
    log.debug("unseen");
    log.error("broken", { error: "a\nb" });
    expect(out).toHaveLength(1);
    expect((out[0] as string).trimEnd()).not.toContain("\n");
  });

  test("time zones behind UTC", () => {
    expect(formatLogTime(0, -330)).toBe("1969/12/31 18:30:00.000 -05:30");
  });
});
