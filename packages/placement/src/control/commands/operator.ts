/** `pd-ctl operator …` */
import { type Command, type CommandContext, failureText } from "../command.ts";
import { change, parseJson, prettyJson, wholeNumber } from "./helpers.ts";

/** Numbers of a line; null after the text that the original prints for a word that is none. */
function numbers(context: CommandContext, words: readonly string[]): number[] | null {
  const bad = words.find((word) => !wholeNumber.test(word));
  if (bad === undefined) return words.map(Number);
  context.print(`strconv.ParseUint: parsing ${JSON.stringify(bad)}: invalid syntax`);
  return null;
}

/** A command whose arguments are all ids, sent under these names. */
const withIds = (name: string, usage: string, about: string, fields: readonly string[]): Command => ({
  usage: `${name} ${usage}`,
  about,
  run: async (context) => {
    if (context.args.length !== fields.length) return context.usage();
    const ids = numbers(context, context.args);
    if (ids !== null) await context.post("operators", { name, ...Object.fromEntries(fields.map((field, index) => [field, ids[index]])) });
  },
});

const roles = ["leader", "voter", "follower", "learner"];

async function transferRegion(context: CommandContext): Promise<void> {
  const [region, ...words] = context.args;
  if (region === undefined || words.length === 0) return context.usage();
  const hasRoles = words.some((word) => roles.includes(word.toLowerCase()));
  const stores = hasRoles ? words.filter((_word, index) => index % 2 === 0) : words;
  const chosen = hasRoles ? words.filter((_word, index) => index % 2 === 1).map((word) => word.toLowerCase()) : [];
  if (hasRoles && (words.length % 2 !== 0 || chosen.some((role) => !roles.includes(role)))) {
    context.print("each store needs a role after it: leader, voter, follower or learner");
    return;
  }
  const ids = numbers(context, [region, ...stores]);
  if (ids === null) return;
  await context.post("operators", {
    name: "transfer-region",
    region_id: ids[0],
    to_store_ids: ids.slice(1),
    ...(hasRoles ? { peer_roles: chosen } : {}),
  });
}

async function splitRegion(context: CommandContext): Promise<void> {
  if (context.args.length !== 1) return context.usage();
  const ids = numbers(context, context.args);
  if (ids === null) return;
  const policy = context.flag("policy");
  if (!["scan", "approximate", "usekey"].includes(policy)) return context.print("Error: unknown policy");
  const keys = context.flag("keys");
  await context.post("operators", {
    name: "split-region",
    region_id: ids[0],
    policy,
    ...(keys === "" ? {} : { keys: keys.split(",").map((key) => key.trim()) }),
  });
}

export const operatorCommand: Command = {
  usage: "operator",
  about: "show operators, add and remove them",
  examples: [
    "pd-ctl operator show",
    "pd-ctl operator add transfer-leader 100 2",
    "pd-ctl operator add transfer-peer 100 3 4",
    "pd-ctl operator check 100",
  ],
  subcommands: [
    {
      usage: "show [kind]",
      about: "show the operators that run",
      run: async (context) => {
        const { args } = context;
        if (args.length > 1) return context.usage();
        await context.get(args.length === 0 ? "operators" : `operators?kind=${encodeURIComponent(args[0] as string)}`);
      },
    },
    {
      usage: "check [region_id]",
      about: "show the operator of a region, and how it went",
      run: (context) =>
        context.args.length === 1
          ? context.get(`operators/${encodeURIComponent(context.args[0] as string)}`)
          : Promise.resolve(context.usage()),
    },
    {
      usage: "history <start>",
      about: "show operators that ended after a time in unix seconds",
      run: async (context) => {
        const [from, limit] = context.args;
        if (context.args.length > 2) return context.usage();
        const path = `operators/records${from === undefined ? "" : `?from=${encodeURIComponent(from)}`}`;
        if (limit === undefined) return context.get(path);
        if (!wholeNumber.test(limit)) return context.print(`strconv.Atoi: parsing ${JSON.stringify(limit)}: invalid syntax`);
        const answer = await context.request("GET", path);
        if (answer.status !== 200) return context.print(failureText(answer));
        context.print(prettyJson((parseJson(answer) as readonly unknown[]).slice(0, Number(limit))));
      },
    },
    {
      usage: "remove <region_id>",
      about: "remove the operator of a region",
      run: (context) =>
        context.args.length === 1
          ? change(context, "DELETE", `operators/${encodeURIComponent(context.args[0] as string)}`, "")
          : Promise.resolve(context.usage()),
    },
    {
      usage: "add",
      about: "add an operator",
      subcommands: [
        withIds("transfer-leader", "<region_id> <to_store_id>", "transfer a region's leader to the specified store", [
          "region_id",
          "to_store_id",
        ]),
        {
          usage: "transfer-region <region_id> <to_store_id> [leader|voter|follower|learner] ...",
          about: "transfer a region's peers to the specified stores",
          run: transferRegion,
        },
        withIds(
          "transfer-peer",
          "<region_id> <from_store_id> <to_store_id>",
          "transfer a region's peer from the specified store to another store",
          ["region_id", "from_store_id", "to_store_id"],
        ),
        withIds("add-peer", "<region_id> <to_store_id>", "add a region peer on specified store", ["region_id", "store_id"]),
        withIds("add-learner", "<region_id> <to_store_id>", "add a region learner on specified store", ["region_id", "store_id"]),
        withIds("merge-region", "<source_region_id> <target_region_id>", "merge source region into target region", [
          "source_region_id",
          "target_region_id",
        ]),
        withIds("remove-peer", "<region_id> <from_store_id>", "remove a region peer on specified store", ["region_id", "store_id"]),
        {
          usage: "split-region <region_id> [--policy=scan|approximate|usekey] [--keys]",
          about: "split a region",
          flags: [
            { name: "policy", kind: "string", about: "where to split: scan, approximate, or usekey with --keys", fallback: "scan" },
            { name: "keys", kind: "string", about: "keys to split at, in hex, with commas between" },
          ],
          run: splitRegion,
        },
        withIds("scatter-region", "<region_id>", "usually used for a batch of adjacent regions", ["region_id"]),
      ],
    },
  ],
};
