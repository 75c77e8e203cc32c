/** The commands about the placement drivers themselves, and the small ones. */
import { formatDuration } from "@skein/base";
import { type Command, type CommandContext, failureText } from "../command.ts";
import { change, getOr, wholeNumber } from "./helpers.ts";
import { hotHistory } from "./others.ts";

export const clusterCommand: Command = {
  usage: "cluster",
  about: "show the cluster's id, and whether it is bootstrapped",
  run: (context) => getOr(context, "cluster", "get the cluster information"),
  subcommands: [
    {
      usage: "status",
      about: "show whether the cluster is bootstrapped",
      run: (context) => getOr(context, "cluster/status", "get the cluster status"),
    },
  ],
};

export const healthCommand: Command = {
  usage: "health",
  about: "show which placement drivers answer",
  run: (context) => context.get("health"),
};

const arg = (run: (context: CommandContext, word: string) => Promise<void>) => (context: CommandContext) =>
  context.args.length === 1 ? run(context, context.args[0] as string) : Promise.resolve(context.usage());

async function leaderPriority(context: CommandContext): Promise<void> {
  if (context.args.length !== 2) return context.usage();
  const [name, text] = context.args as [string, string];
  if (!/^[+-]?\d+(\.\d+)?$/.test(text))
    return context.print(`failed to parse priority: strconv.ParseFloat: parsing ${JSON.stringify(text)}: invalid syntax`);
  await change(context, "POST", `members/name/${encodeURIComponent(name)}`, "failed to set leader priority: ", {
    "leader-priority": Number(text),
  });
}

const showMembers = (context: CommandContext) => getOr(context, "members", "get pd members");

export const memberCommand: Command = {
  usage: "member [leader|delete|leader_priority]",
  about: "show the placement drivers, move the lead between them, remove one",
  examples: ["pd-ctl member", "pd-ctl member leader transfer pd-2", "pd-ctl member delete name pd-3"],
  run: (context) =>
    context.args.length <= 1 && (context.args[0] ?? "show") === "show" ? showMembers(context) : Promise.resolve(context.usage()),
  subcommands: [
    {
      usage: "leader",
      about: "leader commands",
      subcommands: [
        { usage: "show", about: "show which one leads", run: (context) => getOr(context, "leader", "get the leader of pd members") },
        {
          usage: "resign",
          about: "let another one lead",
          run: (context) => change(context, "POST", "leader/resign", "Failed to resign: "),
        },
        {
          usage: "transfer <member_name>",
          about: "let this one lead",
          run: arg((context, name) =>
            change(context, "POST", `leader/transfer/${encodeURIComponent(name)}`, "Failed to transfer leadership: "),
          ),
        },
      ],
    },
    {
      usage: "delete",
      about: "delete a member",
      subcommands: [
        {
          usage: "id <member_id>",
          about: "by its id",
          run: arg((context, id) => change(context, "DELETE", `members/id/${encodeURIComponent(id)}`, `Failed to delete member ${id}: `)),
        },
        {
          usage: "name <member_name>",
          about: "by its name",
          run: arg((context, name) =>
            change(context, "DELETE", `members/name/${encodeURIComponent(name)}`, `Failed to delete member ${name}: `),
          ),
        },
      ],
    },
    {
      usage: "leader_priority <member_name> <priority>",
      about: "set the member's priority to be elected as etcd leader",
      run: leaderPriority,
    },
  ],
};

export const hotCommand: Command = {
  usage: "hot",
  about: "show which regions and stores bear the load",
  subcommands: [
    ...(["read", "write"] as const).map(
      (kind): Command => ({
        usage: `${kind} [<store id> ...]`,
        about: `show the regions with the most ${kind}s`,
        run: async (context) => {
          const bad = context.args.find((id) => !wholeNumber.test(id));
          if (bad !== undefined)
            return context.print(`store id should be uint64: strconv.ParseUint: parsing ${JSON.stringify(bad)}: invalid syntax`);
          await getOr(
            context,
            `hotspot/regions/${kind}${context.args.length === 0 ? "" : `?${context.args.map((id) => `store_id=${id}`).join("&")}`}`,
            "get read hotspot",
          );
        },
      }),
    ),
    {
      usage: "store",
      about: "show what each store reads and writes a second",
      run: (context) => getOr(context, "hotspot/stores", "get store hotspot"),
    },
    {
      usage: "history <start_time> <end_time> [<key> <value>]",
      about: "show which regions were hot in a time, in milliseconds of unix time",
      run: hotHistory,
    },
    {
      usage: "buckets [region_id]",
      about: "show the parts of regions that are hot",
      run: async (context) => {
        const [id] = context.args;
        if (context.args.length > 1) return context.usage();
        if (id !== undefined && !wholeNumber.test(id)) return context.print("region_id should be a number");
        await getOr(context, `hotspot/buckets${id === undefined ? "" : `?region_id=${id}`}`, "get hot buckets");
      },
    },
  ],
};

export const pingCommand: Command = {
  usage: "ping",
  about: "show how long a placement driver takes to answer",
  run: async (context) => {
    const startMs = context.world.clock.monotonicMs();
    const answer = await context.request("GET", "ping");
    if (answer.status !== 200) return context.print(`Failed to ping: ${failureText(answer)}`);
    context.print(`time: ${formatDuration(context.world.clock.monotonicMs() - startMs)}`);
  },
};

export const tsoCommand: Command = {
  usage: "tso <timestamp>",
  about: "show what time a timestamp of the oracle stands for",
  run: async (context) => {
    if (context.args.length !== 1) return context.print("Usage: tso <timestamp>");
    const text = context.args[0] as string;
    if (!wholeNumber.test(text))
      return context.print(`Failed to parse TSO: strconv.ParseUint: parsing ${JSON.stringify(text)}: invalid syntax`);
    const value = BigInt(text);
    if (value >= 1n << 64n)
      return context.print(`Failed to parse TSO: strconv.ParseUint: parsing ${JSON.stringify(text)}: value out of range`);
    const ms = Number(value >> 18n);
    const iso = new Date(ms).toISOString();
    const fraction = (ms % 1000).toString().padStart(3, "0").replace(/0+$/, "");
    context.print(`system:  ${iso.slice(0, 10)} ${iso.slice(11, 19)}${fraction === "" ? "" : `.${fraction}`} +0000 UTC`);
    context.print(`logic:   ${value & 0x3ffffn}`);
  },
};

export const minResolvedCommand: Command = {
  usage: "min-resolved-ts",
  about: "show up to when all writes are resolved; of single stores when their ids are given",
  run: async (context) => {
    const ids = context.args.flatMap((word) => word.split(","));
    if (ids.some((id) => !wholeNumber.test(id))) return context.print("store ids should be numbers, with commas between");
    await getOr(context, `min-resolved-ts${ids.length === 0 ? "" : `?scope=${ids.join(",")}`}`, "get min resolved ts");
  },
};

export const gcStateCommand: Command = {
  usage: "gc-state",
  about: "show up to when old versions may be collected",
  isHidden: true,
  run: (context) => getOr(context, "gc/safepoint", "get the state of GC"),
};

export const safePointCommand: Command = {
  usage: "service-gc-safepoint",
  about: "show up to when old versions may be collected, and who holds them back",
  run: (context) => getOr(context, "gc/safepoint", "get service GC safepoint"),
  subcommands: [
    {
      usage: "delete <service_id>",
      about: "let go what a service holds back",
      isHidden: true,
      run: arg(async (context, id) => {
        const answer = await context.request("DELETE", `gc/safepoint/${encodeURIComponent(id)}`);
        context.print(answer.status === 200 ? answer.text : `Failed to delete service GC safepoint: ${failureText(answer)}`);
      }),
    },
  ],
};

export const logCommand: Command = {
  usage: "log [fatal|error|warn|info|debug] [addr]",
  about: "set from which level on the placement driver logs",
  run: async (context) => {
    const { args } = context;
    if (args.length < 1 || args.length > 2) return context.usage();
    const answer = await context.request("POST", "admin/log", JSON.stringify(args[0]));
    context.print(answer.status === 200 ? "Success!" : `Failed to set log level: ${failureText(answer)}`);
  },
};

/** `/checker/{name}`, which the original has only over HTTP. */
export const checkerCommand: Command = {
  usage: "checker",
  about: "show whether a checker pauses, pause it, let it go on",
  examples: ["pd-ctl checker show merge", "pd-ctl checker pause merge 600", "pd-ctl checker resume merge"],
  subcommands: [
    {
      usage: "show <checker>",
      about: "show whether it pauses",
      run: arg((context, name) => context.get(`checker/${encodeURIComponent(name)}`)),
    },
    {
      usage: "pause <checker> <delay_seconds>",
      about: "pause it for a while",
      run: async (context) => {
        if (context.args.length !== 2) return context.usage();
        const [name, seconds] = context.args as [string, string];
        if (!wholeNumber.test(seconds)) return context.print("delay_seconds should be a number");
        await context.post(`checker/${encodeURIComponent(name)}`, { delay: Number(seconds) });
      },
    },
    {
      usage: "resume <checker>",
      about: "let it go on",
      run: arg((context, name) => context.post(`checker/${encodeURIComponent(name)}`, { delay: 0 })),
    },
  ],
};
