/** `pd-ctl config placement-rules …` */
import type { Flag } from "@skein/base";
import { type Command, type CommandContext, failureText, type PdAnswer } from "../control/command.ts";
import { syntaxError } from "../server/json.ts";
import { separateTwins } from "./core/changes.ts";
import type { RuleInput } from "./core/rule.ts";
import { JsonTypeProblem, operationJson, readBundle, readBundles, readRules } from "./core/rule-json.ts";

const fileBytesMax = 64 * 1024 * 1024;
const out = (fallback?: string): Flag => ({
  name: "out",
  kind: "string",
  about: "file to write",
  ...(fallback === undefined ? {} : { fallback }),
});
const input = (fallback: string): Flag => ({ name: "in", kind: "string", about: "file to read", fallback });
const dryRun: Flag = {
  name: "dry-run",
  kind: "bool",
  about: "change nothing: tell which peers would move, how many bytes, and which failures the result survives",
};
const byPattern: Flag = { name: "regexp", kind: "bool", about: "the id is a regular expression" };
const selection: readonly Flag[] = [
  { name: "group", kind: "string", about: "rules of one group" },
  { name: "id", kind: "string", about: "one rule, with --group" },
  { name: "region", kind: "string", about: "rules that apply to a region" },
];

/** A sentence to print instead of going on. */
class Stop extends Error {
  override readonly name = "Stop";
}

const run =
  (act: (context: CommandContext) => Promise<void>): NonNullable<Command["run"]> =>
  async (context) => {
    try {
      await act(context);
    } catch (error) {
      if (!(error instanceof Stop)) throw error;
      context.print(error.message);
    }
  };

// Files

async function readText(context: CommandContext, path: string): Promise<string> {
  try {
    return new TextDecoder().decode(await context.world.disk.readFile(path, { limitBytes: fileBytesMax }));
  } catch (error) {
    throw new Stop(fileProblem(path, error));
  }
}

async function writeText(context: CommandContext, path: string, text: string): Promise<void> {
  try {
    await context.world.disk.writeFileAtomic(path, text, { mode: 0o644 });
  } catch (error) {
    throw new Stop(fileProblem(path, error));
  }
}

/** In the words of the original, where scripts know them. */
function fileProblem(path: string, error: unknown): string {
  const words: Readonly<Record<string, string>> = {
    ENOENT: "no such file or directory",
    EACCES: "permission denied",
    EISDIR: "is a directory",
    ENOTDIR: "not a directory",
  };
  const code = (error as { readonly code?: unknown }).code;
  const known = typeof code === "string" ? words[code] : undefined;
  return `open ${path}: ${known ?? (error instanceof Error ? error.message : String(error))}`;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new Stop(syntaxError(text).message);
  }
}

function decode<T>(value: unknown, read: (value: unknown) => T): T {
  try {
    return read(value);
  } catch (error) {
    if (error instanceof JsonTypeProblem) throw new Stop(error.message);
    throw error;
  }
}

// Asking

function segment(text: string): string {
  return encodeURIComponent(text);
}

/** The path of rules that flags choose. */
function selected(context: CommandContext): string {
  const [group, id, region] = [context.flag("group"), context.flag("id"), context.flag("region")];
  if (region !== "") {
    if (group !== "" || id !== "") throw new Stop('"region" should not be specified with "group" or "id" at the same time');
    return `config/rules/region/${segment(region)}${context.isSet("detail") ? "/detail" : ""}`;
  }
  if (group === "" && id !== "") throw new Stop('"id" should be specified along with "group"');
  if (group === "") return "config/rules";
  return id === "" ? `config/rules/group/${segment(group)}` : `config/rule/${segment(group)}/${segment(id)}`;
}

async function load(context: CommandContext, path: string, what: string): Promise<void> {
  const answer = await context.request("GET", path);
  if (answer.status !== 200) return context.print(failureText(answer));
  const file = context.flag("out");
  await writeText(context, file, answer.text.replace(/\n$/, ""));
  context.print(`${what} saved to file ${file}`);
}

async function dryRunOf(
  context: CommandContext,
  operation: string,
  body: unknown,
  options: { readonly partial?: boolean } = {},
): Promise<void> {
  const answer = await context.request("POST", "config/rules/dry-run", JSON.stringify({ operation, body, ...options }));
  if (answer.status === 404 && !answer.text.startsWith('"')) return context.print("this server knows no dry run");
  if (answer.status !== 200) return context.print(`The rules would be refused: ${failureText(answer)}`);
  const { text } = JSON.parse(answer.text) as { readonly text: string };
  context.print(text);
}

/** What the file holds twice, and what of the rules cannot be met: on stderr, so that scripts read the same as ever. */
async function warn(context: CommandContext, rules: readonly RuleInput[]): Promise<void> {
  for (const warning of separateTwins(rules).warnings) context.warn(`warning: ${warning}`);
  const answer = await context.request("GET", "config/rules/lint");
  if (answer.status !== 200) return;
  let findings: unknown;
  try {
    findings = JSON.parse(answer.text);
  } catch {
    return;
  }
  if (!Array.isArray(findings)) return;
  for (const finding of findings as readonly { readonly text?: unknown }[])
    if (typeof finding.text === "string") context.warn(`warning: ${finding.text}`);
}

function bundleRules(value: unknown): readonly RuleInput[] {
  try {
    const bundles = Array.isArray(value) ? readBundles(value) : [readBundle(value)];
    return bundles.flatMap((bundle) => bundle.rules.map((rule) => ({ ...rule, groupId: rule.groupId || bundle.groupId })));
  } catch {
    return [];
  }
}

// Commands

async function save(context: CommandContext): Promise<void> {
  const text = await readText(context, context.flag("in"));
  const rules = decode(parse(text), readRules);
  const operations = rules.map((rule) => operationJson({ rule, action: rule.count > 0 ? "add" : "del", isByIdPrefix: false }));
  if (context.isSet("dry-run")) return dryRunOf(context, "batch", operations);
  const body = JSON.stringify(operations);
  const answer = await context.request("POST", "config/rules/batch", body);
  if (answer.status !== 200) return context.print(`failed to save rules ${body}: ${failureText(answer)}`);
  context.print("Success!");
  await warn(
    context,
    rules.filter((rule) => rule.count > 0),
  );
}

async function saveBundles(context: CommandContext): Promise<void> {
  const text = await readText(context, context.flag("in"));
  const isPartial = context.isSet("partial");
  if (context.isSet("dry-run")) return dryRunOf(context, "bundles", parse(text), { partial: isPartial });
  const answer = await context.request("POST", `config/placement-rule${isPartial ? "?partial=true" : ""}`, text);
  if (answer.status !== 200) return context.print(`failed to save rule bundles ${text}: ${failureText(answer)}`);
  context.print(answer.text);
  await warn(context, bundleRules(JSON.parse(text)));
}

async function setBundle(context: CommandContext): Promise<void> {
  const text = await readText(context, context.flag("in"));
  const value = parse(text);
  // The original looks for the id alone, and says what it looked into.
  const type = 'struct { GroupID string "json:\\"group_id\\"" }';
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new Stop(
      `json: cannot unmarshal ${Array.isArray(value) ? "array" : typeof value === "boolean" ? "bool" : typeof value} into Go value of type ${type}`,
    );
  const { groupId } = decode(value, readBundle);
  if (context.isSet("dry-run")) return dryRunOf(context, "bundle", value);
  const answer = await context.request("POST", `config/placement-rule/${segment(groupId)}`, text);
  if (answer.status !== 200) return context.print(`failed to save rule bundle ${text}: ${failureText(answer)}`);
  context.print(answer.text);
  await warn(context, bundleRules(value));
}

async function setGroup(context: CommandContext): Promise<void> {
  if (context.args.length !== 3) return context.usage();
  const [id, indexText, overrideText] = context.args as [string, string, string];
  if (!/^[+-]?\d+$/.test(indexText) || !Number.isSafeInteger(Number(indexText))) throw new Stop(`index ${indexText} should be a number`);
  const override = goBool(overrideText);
  if (override === null) throw new Stop(`override ${overrideText} should be a boolean`);
  const body = { id, index: Number(indexText), override };
  if (context.isSet("dry-run")) return dryRunOf(context, "group", body);
  await context.post("config/rule_group", body);
}

/** What Go reads as a boolean. */
function goBool(text: string): boolean | null {
  if (["1", "t", "T", "true", "TRUE", "True"].includes(text)) return true;
  return ["0", "f", "F", "false", "FALSE", "False"].includes(text) ? false : null;
}

async function deleteBundle(context: CommandContext): Promise<void> {
  if (context.args.length !== 1) return context.usage();
  const path = `config/placement-rule/${segment(context.args[0] as string)}${context.isSet("regexp") ? "?regexp=true" : ""}`;
  const answer = await context.request("DELETE", path);
  context.print(answer.status === 200 ? answer.text : failureText(answer));
}

async function getBundle(context: CommandContext): Promise<void> {
  if (context.args.length !== 1) return context.usage();
  const path = `config/placement-rule/${segment(context.args[0] as string)}`;
  return context.flag("out") === "" ? context.get(path) : load(context, path, "rule group");
}

async function switchRules(context: CommandContext, isOn: boolean): Promise<void> {
  const answer: PdAnswer = await context.request("POST", "config", JSON.stringify({ "enable-placement-rules": String(isOn) }));
  context.print(answer.status === 200 ? "Success!" : `Failed to set config: ${failureText(answer)}`);
}

const base = "pd-ctl config placement-rules";

export const placementRulesCommand: Command = {
  usage: "placement-rules",
  about: "say how many peers of which role belong on which stores",
  examples: [`${base} show`, `${base} rule-bundle load --out=before.json`, `${base} rule-bundle save --in=rule.json --dry-run`],
  subcommands: [
    { usage: "enable", about: "place peers by rules", run: run((context) => switchRules(context, true)) },
    {
      usage: "disable",
      about: "place peers by max-replicas and location-labels alone",
      run: run((context) => switchRules(context, false)),
    },
    {
      usage: "show",
      about: "show rules: all, of a group, one, or those of a region",
      examples: [`${base} show --group=pd --id=default`, `${base} show --region=100 --detail`],
      flags: [...selection, { name: "detail", kind: "bool", about: "with --region: which peer serves which rule" }],
      run: run(async (context) => context.get(selected(context))),
    },
    {
      usage: "load",
      about: "write rules to a file",
      examples: [`${base} load --group=pd --out=pd.json`],
      flags: [...selection, out("rules.json")],
      run: run((context) => load(context, selected(context), "rules")),
    },
    {
      usage: "save",
      about: "add and replace the rules of a file; a rule with count 0 is deleted",
      examples: [`${base} save --in=rules.json`, `${base} save --in=rules.json --dry-run`],
      flags: [input("rules.json"), dryRun],
      run: run(save),
    },
    {
      usage: "rule-group",
      about: "where groups of rules stand among each other",
      subcommands: [
        {
          usage: "show [id]",
          about: "show all groups, or one",
          run: run(async (context) => {
            if (context.args.length > 1) return context.usage();
            const [id] = context.args;
            return context.get(id === undefined ? "config/rule_groups" : `config/rule_group/${segment(id)}`);
          }),
        },
        {
          usage: "set <id> <index> <override>",
          about: "set a group's index, and whether it drops the rules of the groups before it",
          examples: [`${base} rule-group set pd 10 false`],
          flags: [dryRun],
          run: run(setGroup),
        },
        { usage: "delete <id>", about: "delete a group with its rules", flags: [byPattern], run: run(deleteBundle) },
      ],
    },
    {
      usage: "rule-bundle",
      about: "groups together with their rules",
      subcommands: [
        { usage: "get <id>", about: "show a group with its rules, or write it to a file", flags: [out()], run: run(getBundle) },
        {
          usage: "set",
          about: "replace a group with all its rules by those of a file",
          flags: [input("group.json"), dryRun],
          run: run(setBundle),
        },
        { usage: "delete <id>", about: "delete a group with its rules", flags: [byPattern], run: run(deleteBundle) },
        {
          usage: "load",
          about: "write all groups and rules to a file",
          examples: [`${base} rule-bundle load --out="default.json"`],
          flags: [out("rules.json")],
          run: run((context) => load(context, "config/placement-rule", "rule group")),
        },
        {
          usage: "save",
          about: "replace all groups and rules by those of a file",
          examples: [`${base} rule-bundle save --in="rule.json"`, `${base} rule-bundle save --in="rule.json" --dry-run`],
          flags: [
            input("rules.json"),
            { name: "partial", kind: "bool", about: "keep groups that the file does not name; without it they are deleted" },
            dryRun,
          ],
          run: run(saveBundles),
        },
      ],
    },
  ],
};
