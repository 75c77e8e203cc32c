import { describe, expect, test } from "vitest";
import { type CommandShape, flagList, flagText, helpText, parseLine, usageText } from "./command-line.ts";
import { FlagError, parseFlags } from "./program-flags.ts";
import { splitWords } from "./split-words.ts";

const run = async () => {};
const root: CommandShape = {
  usage: "flock",
  about: "leads a flock",
  persistentFlags: [{ name: "at", short: "a", kind: "string", fallback: "home", about: "where" }],
  flags: [{ name: "version", short: "V", kind: "bool", about: "print the version" }],
  run,
  subcommands: [
    {
      usage: "fly <to>",
      about: "fly there",
      aliases: ["f"],
      examples: ["flock fly south"],
      flags: [
        { name: "height", kind: "float", about: "in metres" },
        { name: "geese", short: "g", kind: "strings", about: "only these" },
        { name: "loud", short: "l", kind: "bool", about: "honk", fallback: "false" },
        { name: "secret", kind: "int", about: "not shown", isHidden: true },
      ],
      run,
    },
    { usage: "rest", about: "rest", deprecated: "fly", run },
  ],
};

describe("a command line", () => {
  test("flags stand anywhere; persistent ones hold below; values and fallbacks are read alike", () => {
    const { path, args, flags } = parseLine(root, ["-a", "fly", "f", "-ga,b", "--geese", "c", "south", "--loud", "--", "-x"]);
    expect(path.map(({ usage }) => usage)).toEqual(["flock", "fly <to>"]);
    expect(args).toEqual(["south", "-x"]);
    expect([flagText(flags, path, "at"), flagText(flags, path, "loud"), flagText(flags, path, "height")]).toEqual(["fly", "true", ""]);
    expect(flagList(flags, "geese")).toEqual(["a", "b", "c"]);
    expect(flagText(new Map(), path, "at")).toBe("home");
  });

  test.each([
    [["fly", "--version"], "unknown flag: --version"],
    [["fly", "-lg"], "unknown shorthand flag: 'g' in -lg"],
    [["fly", "-g"], "flag needs an argument: 'g' in -g"],
    [["fly", "--height=up"], 'invalid argument "up" for "--height" flag: strconv.ParseFloat: parsing "up": invalid syntax'],
    [["fly", "--secret", "1.5"], 'invalid argument "1.5" for "--secret" flag: strconv.ParseInt: parsing "1.5": invalid syntax'],
  ])("refuses %j", (argv, text) => {
    expect(() => parseLine(root, argv)).toThrow(expect.objectContaining({ name: "CommandLineError", message: text }));
  });

  test("help shows what is meant to be seen", () => {
    expect(helpText(parseLine(root, ["fly"]).path)).toBe(`fly there

Usage:
  flock fly <to> [flags]

Aliases:
  fly, f

Flags:
  -g, --geese strings   only these
      --height float    in metres
  -h, --help            help for fly
  -l, --loud            honk

Global Flags:
  -a, --at string   where (default "home")

Examples:
  flock fly south
`);
    expect(usageText([root])).not.toContain("rest");
  });
});

test("words are split as a shell splits them", () => {
  expect(splitWords(`a "b 'c'" 'd "e' f\\ g 'it''s' "x \\" \\y" ""`)).toEqual(["a", "b 'c'", 'd "e', "f g", "its", 'x " \\y', ""]);
  expect(splitWords("a 'b")).toBeNull();
});

test("flags of programs in every form, up to the first word that is none", () => {
  const flags = [
    { name: "addr", kind: "text", help: "" },
    { name: "on", kind: "boolean", help: "" },
    { name: "count", kind: "number", help: "" },
    { name: "join", kind: "list", help: "" },
  ] as const;
  const { values, rest } = parseFlags(flags, ["-addr=a:1", "--on", "-count", "3", "-join", "a,b", "-join=c", "word", "-on"]);
  expect(Object.fromEntries(values)).toEqual({ addr: "a:1", on: true, count: 3, join: ["a", "b", "c"] });
  expect(rest).toEqual(["word", "-on"]);
  expect(() => parseFlags(flags, ["-on=maybe"])).toThrow(new FlagError('invalid boolean value "maybe" for -on'));
});
