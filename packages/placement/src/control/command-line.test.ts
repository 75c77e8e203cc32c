import { CommandLineError, helpText, nameOf, parseLine, usageText } from "@skein/base";
import { describe, expect, test } from "vitest";
import type { Command } from "./command.ts";
import { rootCommand } from "./root-command.ts";

describe("lines", () => {
  test("commands, flags anywhere, values", () => {
    const line = parseLine(rootCommand, ["-u", "a:1", "store", "label", "1", "zone=east", "-f", "--pd=b:2"]);
    expect(line.path.map(nameOf)).toEqual(["pd-ctl", "store", "label"]);
    expect(line.args).toEqual(["1", "zone=east"]);
    expect(line.flags.get("pd")).toBe("b:2");
    expect(line.flags.get("force")).toBe("true");
  });

  test("lists gather, -- ends the flags", () => {
    const line = parseLine(rootCommand, ["store", "--state=Up,Offline", "--state", "Tombstone", "--", "-1"]);
    expect(line.flags.get("state")).toEqual(["Up", "Offline", "Tombstone"]);
    expect(line.args).toEqual(["-1"]);
  });

  test.each([
    [["store", "weight", "1", "-1", "2"], "unknown shorthand flag: '1' in -1"],
    [["member", "--nosuch"], "unknown flag: --nosuch"],
    [["store", "--state"], "flag needs an argument: --state"],
    [
      ["store", "label", "1", "--force=maybe"],
      'invalid argument "maybe" for "-f, --force" flag: strconv.ParseBool: parsing "maybe": invalid syntax',
    ],
  ])("%j: %s", (argv, text) => {
    const parse = () => parseLine(rootCommand, argv);
    expect(parse).toThrow(CommandLineError);
    expect(parse).toThrow(text);
  });
});

function every(command: Command, path: readonly Command[] = []): (readonly Command[])[] {
  const here = [...path, command];
  return [here, ...(command.subcommands ?? []).flatMap((each) => every(each, here))];
}

describe("every command", () => {
  test.each(every(rootCommand).map((path) => [path.map(nameOf).join(" "), path] as const))(
    "%s has help, and runs or has commands below",
    (_name, path) => {
      const command = path.at(-1) as Command;
      expect(command.about).not.toBe("");
      expect(command.run !== undefined || (command.subcommands ?? []).length > 0).toBe(true);
      expect(helpText(path)).toContain(usageText(path));
      const names = (command.subcommands ?? []).map(nameOf);
      expect(new Set(names).size).toBe(names.length);
      for (const line of command.examples ?? []) expect(line).toContain("pd-ctl");
    },
  );
});
