/** `pd-ctl region …` */
import { goJson } from "../../server/json.ts";
import { type Command, type CommandContext, failureText } from "../command.ts";
import { escapeBytes, getFiltered, getOr, KeyError, keyBytes, parseJson, printFiltered, wholeNumber } from "./helpers.ts";

const jqFlag = { name: "jq", kind: "string", about: "an expression that picks from the answer, as jq takes it" } as const;
const formatFlag = { name: "format", kind: "string", about: "how keys are typed: raw, encode or hex", fallback: "hex" } as const;
const failed = "get region";

function keyOf(context: CommandContext, text: string): Uint8Array | null {
  try {
    const key = keyBytes(text, context.flag("format"));
    if (key === null) context.print("Error:  unknown format");
    return key;
  } catch (error) {
    if (!(error instanceof KeyError)) throw error;
    context.print(`Error:  ${error.message}`);
    return null;
  }
}

const top = (name: string, path: string, queryPath: string | null = null): Command => ({
  usage: `${name} <limit> [--jq="<query string>"]`,
  about: `show the regions with the most: ${path}`,
  flags: [jqFlag],
  run: async (context) => {
    let [first, second] = context.args;
    let chosen = path;
    if (queryPath !== null && (first === "query" || first === "byte")) {
      if (first === "query") chosen = queryPath;
      [first, second] = [second, undefined];
    }
    if (second !== undefined) return context.usage();
    if (first !== undefined && !wholeNumber.test(first)) return context.print("limit should be a number");
    await getFiltered(context, `regions/${chosen}${first === undefined ? "" : `?limit=${first}`}`, failed);
  },
});

const checks = [
  "miss-peer",
  "extra-peer",
  "down-peer",
  "learner-peer",
  "pending-peer",
  "offline-peer",
  "empty-region",
  "oversized-region",
  "undersized-region",
  "hist-size",
  "hist-keys",
] as const;

/** All regions in key order, a page at a time. */
async function scan(context: CommandContext): Promise<void> {
  const regions: unknown[] = [];
  let key = "";
  for (;;) {
    const answer = await context.request("GET", `regions/key?key=${key}&limit=1024`);
    if (answer.status !== 200) return context.print(`Failed to scan regions: ${failureText(answer)}`);
    const page = (parseJson(answer) as { regions: { end_key: string }[] }).regions;
    regions.push(...page);
    const last = page.at(-1);
    if (last === undefined || last.end_key === "" || page.length < 1024) break;
    key = escapeBytes(keyBytes(last.end_key, "hex") as Uint8Array);
  }
  const whole = { count: regions.length, regions };
  const expression = context.flag("jq");
  if (expression !== "") return printFiltered(context, whole, expression);
  context.print(goJson(whole, true));
}

/** `--why` is answered by the rules part, in sentences. */
async function why(context: CommandContext, id: string): Promise<void> {
  const answer = await context.request("GET", `config/rules/region/${id}/why`);
  context.print(answer.status === 200 ? answer.text.trimEnd() : `Failed to get region: ${failureText(answer)}`);
}

export const regionCommand: Command = {
  usage: 'region <region_id> [--jq="<query string>"]',
  about: "show the region status: by id, by key, by what is wrong with it",
  examples: [
    "pd-ctl region 100",
    "pd-ctl region 100 --why",
    "pd-ctl region key --format=raw k00000002",
    "pd-ctl region check miss-peer",
    "pd-ctl region --jq='.regions[] | {id, leader: .leader.store_id}'",
  ],
  flags: [jqFlag, { name: "why", kind: "bool", about: "tell which rules apply, how well they are met, and what comes next" }],
  run: async (context) => {
    const { args } = context;
    if (args.length > 1) return context.usage();
    const [id] = args;
    if (id === undefined) return getFiltered(context, "regions", failed);
    if (!wholeNumber.test(id)) return context.print("region_id should be a number");
    if (context.isSet("why")) return why(context, id);
    await getFiltered(context, `region/id/${id}`, failed);
  },
  subcommands: [
    {
      usage: "key [--format=raw|encode|hex] <key>",
      about: "show the region that holds a key",
      flags: [formatFlag],
      run: async (context) => {
        if (context.args.length !== 1) return context.usage();
        const key = keyOf(context, context.args[0] as string);
        if (key !== null) await getOr(context, `region/key/${escapeBytes(key)}`, failed);
      },
    },
    {
      usage: "keys [--format=raw|encode|hex] <start_key> <end_key> <limit>",
      about: "show the regions of a range of keys",
      flags: [formatFlag],
      run: async (context) => {
        const { args } = context;
        if (args.length < 1 || args.length > 3) return context.usage();
        const start = keyOf(context, args[0] as string);
        if (start === null) return;
        let query = `key=${escapeBytes(start)}`;
        if (args.length >= 2) {
          const end = keyOf(context, args[1] as string);
          if (end === null) return;
          query += `&end_key=${escapeBytes(end)}`;
        }
        if (args.length === 3) {
          if (!wholeNumber.test(args[2] as string)) return context.print("limit should be a number");
          query += `&limit=${args[2]}`;
        }
        await getOr(context, `regions/key?${query}`, failed);
      },
    },
    { usage: 'scan [--jq="<query string>"]', about: "show all regions in the order of their keys", flags: [jqFlag], run: scan },
    {
      usage: "store <store_id>",
      about: "show the regions with a peer on a store",
      flags: [{ name: "type", kind: "string", about: "only such peers: leader, follower, learner, pending", fallback: "all" }],
      run: async (context) => {
        const [id] = context.args;
        if (id === undefined || context.args.length > 1) return context.usage();
        if (!wholeNumber.test(id)) return context.print("store_id should be a number");
        await getOr(
          context,
          `regions/store/${id}${context.isSet("type") ? `?type=${encodeURIComponent(context.flag("type"))}` : ""}`,
          `get regions with the given storeID`,
        );
      },
    },
    {
      usage: "keyspace",
      about: "show the regions of a keyspace",
      subcommands: [
        {
          usage: "id <keyspace_id> <limit>",
          about: "of the keyspace with an id",
          run: async (context) => {
            const [id, limit] = context.args;
            if (id === undefined || context.args.length > 2) return context.usage();
            if (!wholeNumber.test(id)) return context.print("keyspace_id should be a number");
            if (limit !== undefined && !wholeNumber.test(limit)) return context.print("limit should be a number");
            await getOr(
              context,
              `regions/keyspace/id/${id}${limit === undefined ? "" : `?limit=${limit}`}`,
              "get regions with the given keyspace",
            );
          },
        },
      ],
    },
    {
      usage: "sibling <region_id>",
      about: "show the neighbours of a region",
      run: async (context) => {
        const [id] = context.args;
        if (id === undefined || context.args.length > 1) return context.usage();
        if (!wholeNumber.test(id)) return context.print("region_id should be a number");
        await getOr(context, `regions/sibling/${id}`, "get region sibling");
      },
    },
    {
      usage: `check [${checks.join("|")}] [--jq="<query string>"]`,
      about: "show the regions with which something is the matter",
      flags: [jqFlag],
      run: async (context) => {
        const [state, bound] = context.args;
        if (state === undefined || context.args.length > 2) return context.usage();
        if (bound !== undefined && !wholeNumber.test(bound)) return context.print("bound should be a number");
        await getFiltered(context, `regions/check/${encodeURIComponent(state)}${bound === undefined ? "" : `?bound=${bound}`}`, failed);
      },
    },
    top("topread", "readflow", "readquery"),
    top("topwrite", "writeflow", "writequery"),
    top("topsize", "size"),
    top("topkeys", "keys"),
    top("topconfver", "confver"),
    top("topversion", "version"),
    top("topcpu", "cpu"),
    {
      usage: "range-holes",
      about: "show ranges of keys that no region covers",
      run: (context) => getOr(context, "regions/range-holes", "get range holes"),
    },
  ],
};
