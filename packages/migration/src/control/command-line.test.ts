import { helpText, nameOf, parseLine } from "@skein/base";
import { describe, expect, test } from "vitest";
import type { Command } from "./command.ts";
import { statements } from "./commands/binlog-commands.ts";
import { durationMs } from "./dmctl.ts";
import { printMessage, printPlain } from "./print-message.ts";
import { rootCommand } from "./root-command.ts";
import { statusSummary, whyText } from "./status-summary.ts";

const parse = (...argv: string[]) => {
  const line = parseLine(rootCommand, argv);
  return { name: line.path.map(nameOf).join(" "), args: line.args, flags: Object.fromEntries(line.flags) };
};

describe("the command line", () => {
  test("takes flags anywhere and in all forms", () => {
    expect(parse("-s", "a,b", "pause-task", "-sc", "--source=d", "t1", "--batch-size=3")).toEqual({
      name: "dmctl pause-task",
      args: ["t1"],
      flags: { source: ["a", "b", "c", "d"], "batch-size": "3" },
    });
    expect(parse("binlog", "-b", "f.000001:4", "skip", "t1").flags).toEqual({ "binlog-pos": "f.000001:4" });
    expect(parse("binlog-schema", "update", "--flush=false", "t", "d", "x").flags).toEqual({ flush: "false" });
    expect(parse("get-task-config", "task", "t1").name).toBe("dmctl get-config");
  });

  test("keeps what looks like a command for an argument after the first", () => {
    expect(parse("pause-task", "binlog").args).toEqual(["binlog"]);
    expect(parse("handle-error", "t1", "skip").args).toEqual(["t1", "skip"]);
  });

  test.each([
    [["query-status", "--foo"], "unknown flag: --foo"],
    [["query-status", "-x"], "unknown shorthand flag: 'x' in -x"],
    [["check-task", "-e", "x"], 'invalid argument "x" for "-e, --error" flag: strconv.ParseInt: parsing "x": invalid syntax'],
    [["query-status", "--source"], "flag needs an argument: --source"],
  ])("refuses %j", (argv, text) => {
    expect(() => parseLine(rootCommand, argv)).toThrow(expect.objectContaining({ name: "CommandLineError", message: text }));
  });

  test("every command has help, and every command of the documented table is there", () => {
    const names: string[] = [];
    const visit = (path: readonly Command[]) => {
      const command = path.at(-1) as Command;
      names.push(path.slice(1).map(nameOf).join(" "));
      expect(helpText(path)).toContain("Usage:\n  dmctl");
      for (const each of command.subcommands ?? []) visit([...path, each]);
    };
    visit([rootCommand]);
    expect(names.filter((name) => name !== "").sort()).toEqual(
      [
        "binlog",
        "binlog inject",
        "binlog list",
        "binlog replace",
        "binlog revert",
        "binlog skip",
        "binlog-schema",
        "binlog-schema delete",
        "binlog-schema list",
        "binlog-schema update",
        "check-task",
        "config",
        "config export",
        "config import",
        "config master",
        "config source",
        "config source update",
        "config task",
        "config task update",
        "config task-template",
        "config worker",
        "encrypt",
        "get-config",
        "handle-error",
        "help",
        "list-member",
        "offline-member",
        "operate-leader",
        "operate-schema",
        "operate-source",
        "pause-relay",
        "pause-task",
        "purge-relay",
        "query-status",
        "resume-relay",
        "resume-task",
        "shard-ddl-lock",
        "shard-ddl-lock unlock",
        "show-ddl-locks",
        "start-relay",
        "start-task",
        "stop-relay",
        "stop-task",
        "transfer-source",
        "unlock-ddl-lock",
        "validation",
        "validation clear-error",
        "validation ignore-error",
        "validation resolve-error",
        "validation show-error",
        "validation start",
        "validation status",
        "validation stop",
        "validation update",
      ].sort(),
    );
  });

  test("SQL arguments are split at semicolons outside of quotes", () => {
    expect(statements(["alter table a.b add c int default ';'; ", "drop table `a`.`;`;"])).toEqual([
      "alter table a.b add c int default ';'",
      "drop table `a`.`;`",
    ]);
  });

  test.each([
    ["10m", 600_000],
    ["1h30m", 5_400_000],
    ["1.5s", 1500],
  ])("understands the duration %s", (text, ms) => expect(durationMs(text)).toBe(ms));
  test.each([
    ["5", 'time: missing unit in duration "5"'],
    ["abc", 'time: invalid duration "abc"'],
    ["0s", "invalid time duration: 0s"],
  ])("refuses the duration %s", (text, message) => expect(() => durationMs(text)).toThrow(message));
});

describe("printed answers", () => {
  test("have every field in the documented order, and nothing of ours", () => {
    const text = printMessage("pb.QueryStatusListResponse", {
      sources: [
        {
          subTaskStatus: [
            {
              sync: { totalEvents: "9", masterBinlog: "(bin.000001, 4)", synced: true },
              name: "t<1>&",
              stage: "Running",
              unit: "Sync",
              detail: { lagMs: "3" },
            },
          ],
          result: true,
          sourceStatus: { source: "s", worker: "w" },
        },
      ],
      result: true,
    });
    expect(text).toContain('{\n    "result": true,\n    "msg": "",\n    "sources": [\n        {\n            "result": true,');
    expect(text).toContain('"name": "t\\u003c1\\u003e\\u0026"');
    expect(text).toContain('"result": null,\n                    "unresolvedDDLLockID": "",\n                    "sync": {');
    expect(text).toContain('"totalEvents": "9",\n                        "totalTps": "0"');
    expect(text).toContain('"blockingDDLs": [\n                        ],');
    expect(text).toMatch(/"validation": null\n {16}\}/);
    expect(text).not.toContain("lagMs");
    expect(text).not.toContain("blockers");
    expect(() => JSON.parse(text) as unknown).not.toThrow();
  });

  test("are put together here with empty lists on one line", () => {
    expect(printPlain({ result: true, msg: "", tasks: [] })).toBe('{\n    "result": true,\n    "msg": "",\n    "tasks": []\n}');
  });
});

describe("the short status", () => {
  const subtask = (name: string, stage: string, errors: object[] = [], unit = "Sync") =>
    ({ name, stage, unit, unresolvedDDLLockID: "", result: { isCanceled: false, errors } }) as never;
  const source = (id: string, subTaskStatus: never[], relayStage?: string) => ({
    result: true,
    msg: "",
    sourceStatus: { source: id, worker: `w-${id}`, relayStatus: relayStage === undefined ? null : { stage: relayStage, result: null } },
    subTaskStatus,
  });
  const statusOf = (...sources: ReturnType<typeof source>[]) => statusSummary({ result: true, msg: "", sources }).tasks;

  test.each([
    [
      [source("a", [subtask("t", "Paused", [{}])])],
      "Error - Some error occurred in subtask. Please run `query-status t` to get more details.",
    ],
    [
      [source("a", [subtask("t", "Running")], "Paused")],
      "Error - Relay status is Paused. Please run `query-status t` to get more details.",
    ],
    [[source("a", [subtask("t", "Running")]), source("b", [subtask("t", "Paused")])], "Paused"],
    [[source("a", [subtask("t", "Finished")]), source("b", [subtask("t", "Finished")])], "Finished"],
    [[source("a", [subtask("t", "Finished")]), source("b", [subtask("t", "Running")])], "Running"],
  ])("%#: the first rule that matches decides", (sources, expected) => {
    expect(statusOf(...sources)[0]?.taskStatus).toBe(expected);
  });

  test("tasks and sources are sorted", () => {
    const tasks = statusOf(source("b", [subtask("t2", "Running"), subtask("t1", "Running")]), source("a", [subtask("t2", "Running")]));
    expect(tasks.map((task) => [task.taskName, task.sources])).toEqual([
      ["t1", ["b"]],
      ["t2", ["a", "b"]],
    ]);
  });

  test("in words: what blocks, and the next command", () => {
    const failing = {
      ErrCode: 10006,
      ErrClass: "database",
      Message: "execute statement failed",
      RawCause: "disk full",
      Workaround: "Please free space.",
    };
    const blocked = {
      name: "t2",
      stage: "Running",
      unit: "Sync",
      unresolvedDDLLockID: "",
      detail: {
        lagMs: "1500",
        etaSeconds: "-1",
        rowsPerSecond: 10,
        bytesPerSecond: 0,
        blockers: [{ what: "lock wait of table shop.ord in the target", nextStep: "end the transaction that holds it" }],
      },
    } as never;
    const text = whyText({ result: true, msg: "", sources: [source("a", [subtask("t1", "Paused", [failing]), blocked])] });
    expect(text).toBe(
      [
        "source a, worker w-a",
        "  task t1: Paused, Sync",
        "    error 10006 (database): execute statement failed: disk full",
        "    next: Please free space.",
        "    then: dmctl resume-task t1",
        "  task t2: Running, Sync (lag 1500 ms, 10 rows/s)",
        "    blocked: lock wait of table shop.ord in the target",
        "    next: end the transaction that holds it",
        "",
      ].join("\n"),
    );
  });
});
