/** `pd-ctl scheduler …` */
import type { Command, CommandContext } from "../command.ts";
import { change, KeyError, keyBytes, wholeNumber } from "./helpers.ts";

const plain = (name: string, about: string): Command => ({
  usage: name,
  about,
  run: (context) => (context.args.length === 0 ? context.post("schedulers", { name }) : Promise.resolve(context.usage())),
});

const forStore = (name: string, about: string): Command => ({
  usage: `${name} <store_id>`,
  about,
  run: async (context) => {
    const [id] = context.args;
    if (id === undefined || context.args.length > 1) return context.usage();
    if (!wholeNumber.test(id)) return context.print(`strconv.ParseUint: parsing ${JSON.stringify(id)}: invalid syntax`);
    await context.post("schedulers", { name, store_id: Number(id) });
  },
});

async function grantHot(context: CommandContext, path: string, name: string): Promise<void> {
  if (context.args.length !== 2) return context.usage();
  const [leader, stores] = context.args as [string, string];
  const bad = [leader, ...stores.split(",")].find((id) => !wholeNumber.test(id));
  if (bad !== undefined) return context.print(`strconv.ParseUint: parsing ${JSON.stringify(bad)}: invalid syntax`);
  await context.post(path, { name, "store-leader-id": leader, "store-id": stores });
}

async function shuffleHot(context: CommandContext): Promise<void> {
  const [limit] = context.args;
  if (context.args.length > 1) return context.usage();
  if (limit !== undefined && !wholeNumber.test(limit))
    return context.print(`strconv.ParseUint: parsing ${JSON.stringify(limit)}: invalid syntax`);
  await context.post("schedulers", { name: "shuffle-hot-region-scheduler", limit: limit === undefined ? 1 : Number(limit) });
}

async function scatterRange(context: CommandContext): Promise<void> {
  if (context.args.length !== 3) return context.usage();
  const [start, end, name] = context.args as [string, string, string];
  try {
    const keys = [start, end].map((text) => keyBytes(text, context.flag("format")));
    if (keys.some((key) => key === null)) return context.print("Error:  unknown format");
    const [startKey, endKey] = keys.map((key) => new TextDecoder("utf-8", { ignoreBOM: true }).decode(key as Uint8Array));
    await context.post("schedulers", { name: "scatter-range", start_key: startKey, end_key: endKey, range_name: name });
  } catch (error) {
    if (!(error instanceof KeyError)) throw error;
    context.print(`Error:  ${error.message}`);
  }
}

async function pause(context: CommandContext): Promise<void> {
  if (context.args.length !== 2) return context.usage();
  const [name, seconds] = context.args as [string, string];
  if (!wholeNumber.test(seconds)) return context.print(`strconv.ParseInt: parsing ${JSON.stringify(seconds)}: invalid syntax`);
  await context.post(`schedulers/${encodeURIComponent(name)}`, { delay: Number(seconds) });
}

async function show(context: CommandContext): Promise<void> {
  const query: string[] = [];
  if (context.isSet("status")) query.push(`status=${encodeURIComponent(context.flag("status"))}`);
  if (context.isSet("timestamp")) query.push("timestamp=true");
  await context.get(`schedulers${query.length === 0 ? "" : `?${query.join("&")}`}`);
}

const list = (name: string) => (context: CommandContext) => context.get(`scheduler-config/${name}/list`);

/** Numbers as numbers, the rest as text; lists with commas where the server wants lists. */
function typed(value: string): unknown {
  return /^-?\d+(\.\d+)?$/.test(value) ? Number(value) : value;
}

const withItems = (name: string): Command => ({
  usage: name,
  about: `${name} config`,
  run: list(name),
  subcommands: [
    { usage: "show", about: "show the config", run: list(name) },
    { usage: "list", about: "show the config", run: list(name), isHidden: name !== "balance-hot-region-scheduler" },
    {
      usage: "set <key> <value>",
      about: "set an item of the config",
      run: async (context) => {
        if (context.args.length !== 2) return context.usage();
        const [key, value] = context.args as [string, string];
        const isList = key.endsWith("priorities");
        await context.post(`scheduler-config/${name}/config`, { [key]: isList ? value.split(",") : typed(value) });
      },
    },
  ],
});

const withStores = (name: string): Command => ({
  usage: name,
  about: `${name} config`,
  run: list(name),
  subcommands: [
    {
      usage: "add-store <store-id>",
      about: "let it work on one more store",
      run: async (context) => {
        const [id] = context.args;
        if (id === undefined || context.args.length > 1) return context.usage();
        if (!wholeNumber.test(id)) return context.print(`strconv.ParseUint: parsing ${JSON.stringify(id)}: invalid syntax`);
        await context.post(`scheduler-config/${name}/config`, { name, store_id: Number(id) });
      },
    },
    {
      usage: "delete-store <store-id>",
      about: "let it work on one store less",
      run: (context) =>
        context.args.length === 1
          ? change(context, "DELETE", `scheduler-config/${name}/delete/${encodeURIComponent(context.args[0] as string)}`, "")
          : Promise.resolve(context.usage()),
    },
  ],
});

const shuffleRegion = "shuffle-region-scheduler";
const grantHotRegion = "grant-hot-region-scheduler";

export const schedulerCommand: Command = {
  usage: "scheduler",
  about: "show schedulers, add, remove, pause and set them",
  examples: [
    "pd-ctl scheduler show",
    "pd-ctl scheduler add evict-leader-scheduler 1",
    "pd-ctl scheduler pause balance-region-scheduler 60",
    "pd-ctl scheduler config balance-leader-scheduler set batch 8",
  ],
  subcommands: [
    {
      usage: "show",
      about: "show the schedulers",
      flags: [
        { name: "status", kind: "string", about: "only those that are paused, or disabled; any other word shows all that run" },
        { name: "timestamp", short: "t", kind: "bool", about: "with --status paused: since when, and until when" },
      ],
      run: show,
    },
    {
      usage: "add",
      about: "add a scheduler",
      subcommands: [
        plain("balance-leader-scheduler", "add a scheduler to balance leaders between stores"),
        plain("balance-region-scheduler", "add a scheduler to balance regions between stores"),
        plain("balance-hot-region-scheduler", "add a scheduler to balance hot regions between stores"),
        forStore("evict-leader-scheduler", "add a scheduler to evict leader from a store"),
        forStore("grant-leader-scheduler", "add a scheduler to grant leader to a store"),
        plain("evict-slow-store-scheduler", "add a scheduler to detect and evict slow stores"),
        plain("evict-slow-trend-scheduler", "add a scheduler to detect and evict slow stores by trend"),
        { ...plain("evict-stopping-store-scheduler", "add a scheduler to evict leaders from stores that stop"), isHidden: true },
        {
          usage: `${grantHotRegion} <store_leader_id> <store_leader_id,store_peer_id_1,store_peer_id_2>`,
          about: "add a scheduler to grant hot region to fixed stores",
          run: (context) => grantHot(context, "schedulers", grantHotRegion),
        },
        plain("balance-witness-scheduler", "add a scheduler to balance witness"),
        plain("transfer-witness-leader-scheduler", "add a scheduler to transfer witness leader"),
        {
          usage: "shuffle-hot-region-scheduler [limit]",
          about: "add a scheduler to shuffle hot regions",
          run: shuffleHot,
        },
        plain("split-bucket-scheduler", "add a scheduler to split bucket"),
        plain("label-scheduler", "add a scheduler to schedule regions according to the label"),
        plain("random-merge-scheduler", "add a scheduler to merge regions randomly"),
        plain("shuffle-leader-scheduler", "add a scheduler to shuffle leaders between stores"),
        plain(shuffleRegion, "add a scheduler to shuffle regions between stores"),
        {
          usage: "scatter-range [--format=raw|encode|hex] <start_key> <end_key> <range_name>",
          about: "add a scheduler to scatter range",
          flags: [{ name: "format", kind: "string", about: "how keys are typed: raw, encode or hex", fallback: "hex" }],
          run: scatterRange,
        },
      ],
    },
    {
      usage: "remove <scheduler>",
      about: "remove a scheduler",
      run: (context) =>
        context.args.length === 1
          ? change(context, "DELETE", `schedulers/${encodeURIComponent(context.args[0] as string)}`, "")
          : Promise.resolve(context.usage()),
    },
    { usage: "pause <scheduler> <delay_seconds>", about: "pause a scheduler for a while", run: pause },
    {
      usage: "resume <scheduler>",
      about: "let a scheduler go on",
      run: (context) =>
        context.args.length === 1
          ? context.post(`schedulers/${encodeURIComponent(context.args[0] as string)}`, { delay: 0 })
          : Promise.resolve(context.usage()),
    },
    {
      usage: "config",
      about: "config a scheduler",
      subcommands: [
        withItems("balance-hot-region-scheduler"),
        withItems("balance-leader-scheduler"),
        withStores("evict-leader-scheduler"),
        withItems("evict-slow-trend-scheduler"),
        {
          usage: grantHotRegion,
          about: `${grantHotRegion} config`,
          run: list(grantHotRegion),
          subcommands: [
            {
              usage: "set [leader] [peer,]",
              about: "set the store of the leads and those of the peers",
              run: (context) => grantHot(context, `scheduler-config/${grantHotRegion}/config`, grantHotRegion),
            },
          ],
        },
        withStores("grant-leader-scheduler"),
        withItems("split-bucket-scheduler"),
        { ...withItems("shuffle-hot-region-scheduler"), isHidden: true },
        {
          usage: shuffleRegion,
          about: `${shuffleRegion} config`,
          subcommands: [
            {
              usage: "show-roles",
              about: "show which peers it moves",
              run: (context) => context.get(`scheduler-config/${shuffleRegion}/roles`),
            },
            {
              usage: "set-roles [leader,][follower,][learner]",
              about: "set which peers it moves",
              run: async (context) => {
                if (context.args.length !== 1) return context.usage();
                const answer = await context.request(
                  "POST",
                  `scheduler-config/${shuffleRegion}/roles`,
                  JSON.stringify((context.args[0] as string).split(",").filter((role) => role !== "")),
                );
                context.print(answer.status === 200 ? "Success!" : `Failed! [${answer.status}] ${answer.text}`);
              },
            },
          ],
        },
      ],
    },
    {
      usage: "describe",
      about: "describe a scheduler",
      subcommands: ["balance-leader-scheduler", "balance-region-scheduler"].map(
        (name): Command => ({ usage: name, about: `describe the ${name}`, run: (context) => context.get(`schedulers/diagnostic/${name}`) }),
      ),
    },
  ],
};
