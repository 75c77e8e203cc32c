/** `pd-ctl store …`, its old name `stores`, and `label`. */
import { type Command, type CommandContext, failureText, type PdAnswer } from "../command.ts";
import { change, getFiltered, getOr, parseJson, prettyJson, printFiltered, wholeNumber } from "./helpers.ts";

const stateNumbers: Readonly<Record<string, number>> = { up: 0, offline: 1, tombstone: 2 };
const jqFlag = { name: "jq", kind: "string", about: "an expression that picks from the answer, as jq takes it" } as const;

/** Stores carry their state as a name; the number beside it is not shown. */
function withoutState(value: unknown): unknown {
  const strip = (item: unknown) => {
    if (item === null || typeof item !== "object") return item;
    const { store, ...rest } = item as { store?: Record<string, unknown> };
    if (store === undefined) return item;
    const { state: _state, ...shown } = store;
    return { store: shown, ...rest };
  };
  const { stores } = (value ?? {}) as { stores?: unknown };
  return Array.isArray(stores) ? { ...(value as object), stores: stores.map(strip) } : strip(value);
}

async function show(context: CommandContext, path: string): Promise<void> {
  const answer = await context.request("GET", path);
  if (answer.status !== 200) return context.print(`Failed to get store: ${failureText(answer)}`);
  const value = withoutState(parseJson(answer));
  const expression = context.flag("jq");
  if (expression === "") context.print(prettyJson(value));
  else printFiltered(context, value, expression);
}

function isId(context: CommandContext, text: string | undefined): text is string {
  if (text !== undefined && wholeNumber.test(text)) return true;
  context.print("store_id should be a number");
  return false;
}

/** The id of the store at an address; says so when there is none. */
async function idOfAddress(context: CommandContext, address: string): Promise<string | null> {
  const answer = await context.request("GET", "stores?state=0&state=1&state=2");
  if (answer.status !== 200) {
    context.print(`Failed to get store: ${failureText(answer)}`);
    return null;
  }
  const { stores } = parseJson(answer) as { stores: { store: { id: number; address: string; state_name: string } }[] };
  const found = stores.find(({ store }) => store.address === address && store.state_name !== "Tombstone");
  if (found !== undefined) return String(found.store.id);
  context.print(`address not found: ${address}`);
  return null;
}

interface Why {
  readonly id: number;
  readonly state_name: string;
  readonly reasons: readonly { readonly what: string; readonly next: string }[];
}

async function why(context: CommandContext, id: string): Promise<void> {
  const answer = await context.request("GET", `store/${id}/why`);
  if (answer.status !== 200) return context.print(`Failed to get store: ${failureText(answer)}`);
  const { state_name: state, reasons } = parseJson(answer) as Why;
  context.print(`store ${id}: ${state}`);
  for (const { what, next } of reasons) {
    context.print(`  ${what}`);
    if (next !== "") context.print(`    next: ${next}`);
  }
}

const remove = (context: CommandContext, id: string) => change(context, "DELETE", `store/${id}`, `Failed to delete store ${id}: `);

async function cancelDelete(context: CommandContext, id: string): Promise<void> {
  const answer = await context.request("POST", `store/${id}/state?state=Up`);
  // The words of the refusal alone, without code and quotes.
  if (answer.status === 200) context.print("Success!");
  else context.print(answer.status === 500 ? String(parseJson(answer)) : `Failed to cancel deleting store ${id}: ${failureText(answer)}`);
}

async function label(context: CommandContext): Promise<void> {
  const { args } = context;
  if (args.length < 2) return context.usage();
  const [id, ...words] = args;
  if (!isId(context, id)) return;
  if (context.isSet("delete")) {
    if (words.length !== 1) return context.usage();
    const answer = await context.request("DELETE", `store/${id}/label`, JSON.stringify(words[0]));
    return context.print(`${answer.status === 200 ? "Success! " : "Failed! "}${answer.status === 200 ? answer.text : failureText(answer)}`);
  }
  const labels: Record<string, string> = {};
  if (words.every((word) => word.includes("="))) {
    for (const word of words) labels[word.slice(0, word.indexOf("="))] = word.slice(word.indexOf("=") + 1);
  } else {
    // The older form: names and values in turn.
    if (words.length % 2 !== 0) return context.usage();
    for (let at = 0; at < words.length; at += 2) labels[words[at] as string] = words[at + 1] as string;
  }
  await context.post(`store/${id}/label${context.isSet("force") || context.isSet("rewrite") ? "?force" : ""}`, labels);
}

async function weight(context: CommandContext): Promise<void> {
  const { args } = context;
  if (args.length !== 3) return context.usage();
  const [id, leader, region] = args as [string, string, string];
  if (!isId(context, id)) return;
  const isGood = (text: string) => /^\d+(\.\d+)?$/.test(text);
  if (!isGood(leader)) return context.print("leader_weight should be a number that >= 0.");
  if (!isGood(region)) return context.print("region_weight should be a number that >= 0");
  await context.post(`store/${id}/weight`, { leader: Number(leader), region: Number(region) });
}

async function limit(context: CommandContext): Promise<void> {
  const { args } = context;
  if (args.length === 0) return context.get("stores/limit");
  if (args.length === 1) return args[0] === "tombstone" ? context.get("stores/limit?include_tombstone") : context.usage();
  const [who, ...rest] = args as [string, ...string[]];
  const types = ["add-peer", "remove-peer"];
  const typed = rest.length > 1 && !wholeNumber.test(rest.at(-1) as string) && /^\d+(\.\d+)?$/.test(rest.at(-2) as string);
  const type = typed ? rest.pop() : undefined;
  const rate = rest.pop() as string;
  if (!/^\d+(\.\d+)?$/.test(rate)) return context.print("rate should be a number that > 0.");
  const body: Record<string, unknown> = { rate: Number(rate), ...(type === undefined ? {} : { type }) };
  if (who === "all") {
    if (rest.length % 2 !== 0) return context.usage();
    const labels: Record<string, string> = {};
    for (let at = 0; at < rest.length; at += 2) labels[rest[at] as string] = rest[at + 1] as string;
    if (rest.length > 0) body["labels"] = labels;
    return context.post("stores/limit", body);
  }
  if (!isId(context, who) || rest.length > 0) return rest.length > 0 ? context.usage() : undefined;
  if (type !== undefined && !types.includes(type)) return context.print(`Failed! [400] "unknown type"\n`);
  await context.post(`store/${who}/limit`, body);
}

const scenes = ["idle", "low", "normal", "high"];

async function limitScene(context: CommandContext): Promise<void> {
  const { args } = context;
  const typed = (type: string | undefined) => `stores/limit/scene${type === undefined ? "" : `?type=${encodeURIComponent(type)}`}`;
  if (args.length <= 1) return context.get(typed(args[0]));
  const [scene, rate, type] = args as [string, string, string | undefined];
  if (args.length > 3) return context.usage();
  if (!scenes.includes(scene.toLowerCase())) return context.print(`the scene should be one of ${scenes.join(", ")}`);
  if (!wholeNumber.test(rate)) return context.print("rate should be a number");
  await context.post(typed(type), { [scene]: Number(rate) });
}

const addressOf = (run: (context: CommandContext, id: string) => Promise<void>) => async (context: CommandContext) => {
  if (context.args.length !== 1) return context.usage();
  const id = await idOfAddress(context, context.args[0] as string);
  if (id !== null) await run(context, id);
};

const byId = (run: (context: CommandContext, id: string) => Promise<void>) => async (context: CommandContext) => {
  if (context.args.length !== 1) return context.usage();
  const [id] = context.args;
  if (isId(context, id)) await run(context, id);
};

const removeTombstone = (context: CommandContext) =>
  change(context, "DELETE", "stores/remove-tombstone", "Failed to remove tombstone store ");

export const storeCommand: Command = {
  usage: "store [command]",
  about: "show the store status, label it, limit it, remove it",
  examples: [
    "pd-ctl store",
    "pd-ctl store 4",
    "pd-ctl store 4 --why",
    "pd-ctl store --state=Up,Offline",
    "pd-ctl store --jq='.stores[].store | {id, state_name}'",
    "pd-ctl store delete 4",
    "pd-ctl store limit all 30 add-peer",
  ],
  flags: [
    jqFlag,
    { name: "state", kind: "strings", about: "only stores in these states: Up, Offline, Tombstone" },
    { name: "why", kind: "bool", about: "tell why the store is as it is, and what to do next" },
  ],
  run: async (context) => {
    const { args } = context;
    if (args.length > 1) return context.usage();
    const [id] = args;
    if (id !== undefined) {
      if (!isId(context, id)) return;
      return context.isSet("why") ? why(context, id) : show(context, `store/${id}`);
    }
    if (context.isSet("why")) return context.print("name one store: pd-ctl store <store_id> --why");
    const states = context.list("state");
    const unknown = states.find((state) => stateNumbers[state.toLowerCase()] === undefined);
    if (unknown !== undefined) return context.print(`Unknown state: ${unknown}`);
    await show(
      context,
      `stores${states.length === 0 ? "" : `?${states.map((state) => `state=${stateNumbers[state.toLowerCase()]}`).join("&")}`}`,
    );
  },
  subcommands: [
    {
      usage: "delete <store_id>",
      about: "move everything off a store and remove it",
      run: byId(remove),
      subcommands: [{ usage: "addr <address>", about: "the store at an address", run: addressOf(remove) }],
    },
    {
      usage: "cancel-delete <store_id>",
      about: "keep a store that is being removed",
      run: byId(cancelDelete),
      subcommands: [{ usage: "addr <address>", about: "the store at an address", run: addressOf(cancelDelete) }],
    },
    {
      usage: "label <store_id> <key>=<value> [<key>=<value>]",
      about: "set labels of a store",
      examples: ["pd-ctl store label 1 zone=east rack=east-1", "pd-ctl store label 1 disk --delete"],
      flags: [
        { name: "force", short: "f", kind: "bool", about: "replace all labels by these" },
        { name: "rewrite", short: "r", kind: "bool", about: "replace all labels by these" },
        { name: "delete", short: "d", kind: "bool", about: "delete the label of this key" },
      ],
      run: label,
    },
    {
      usage: "weight <store_id> <leader_weight> <region_weight>",
      about: "set how much of leaders and regions a store should bear",
      run: weight,
    },
    {
      usage: "limit [<store_id>|<all> [<key> <value>]... <limit> <type>]",
      about: "show or set how many peers a minute stores take and give",
      run: limit,
    },
    {
      usage: "limit-scene [<type>]|[<scene> <rate> <type>]",
      about: "show or set rates that older releases took by how busy the cluster was; nothing follows from them here",
      run: limitScene,
    },
    { usage: "remove-tombstone", about: "forget stores that are gone", run: removeTombstone },
    {
      usage: "check [up|offline|tombstone|disconnected|down]",
      about: "show the stores in a state",
      run: async (context) => {
        if (context.args.length !== 1) return context.usage();
        const word = context.args[0] as string;
        const name = word.charAt(0).toUpperCase() + word.slice(1).toLowerCase();
        await show(context, `stores/check?state=${encodeURIComponent(name)}`);
      },
    },
  ],
};

/** What older runbooks type. */
export const storesCommand: Command = {
  usage: "stores [command] [flags]",
  about: "older names of store commands",
  isHidden: true,
  subcommands: [
    {
      usage: "remove-tombstone",
      about: "forget stores that are gone",
      deprecated: "use store remove-tombstone instead",
      run: removeTombstone,
    },
    {
      usage: "show [limit]",
      about: "show the stores",
      deprecated: "use store [limit] instead",
      run: (context) => show(context, "stores"),
      subcommands: [
        { usage: "limit", about: "show limits", deprecated: "use store limit instead", run: (context) => context.get("stores/limit") },
      ],
    },
    {
      usage: "set [limit]",
      about: "set limits",
      subcommands: [
        {
          usage: "limit <rate>",
          about: "set limits of all stores",
          deprecated: "use store limit all <rate> instead",
          run: async (context) => {
            if (context.args.length === 0) return context.usage();
            const [rate, type] = context.args;
            if (!/^\d+(\.\d+)?$/.test(rate as string)) return context.print("rate should be a number that > 0.");
            await context.post("stores/limit", { rate: Number(rate), ...(type === undefined ? {} : { type }) });
          },
        },
      ],
    },
  ],
};

export const labelCommand: Command = {
  usage: "label [store]",
  about: "show the labels of stores, and how far regions are apart by them",
  run: (context) => (context.args.length === 0 ? getOr(context, "labels", "get labels") : Promise.resolve(context.usage())),
  subcommands: [
    {
      usage: "store <name> [value]",
      about: "show the stores with a label",
      run: async (context) => {
        const [name, value] = context.args;
        if (name === undefined || context.args.length > 2) return context.usage();
        const query = `name=${encodeURIComponent(name)}${value === undefined ? "" : `&value=${encodeURIComponent(value)}`}`;
        await getFiltered(context, `labels/stores?${query}`, "get stores through label");
      },
    },
    {
      usage: "isolation [label]",
      about: "show by which label the peers of each region are apart",
      run: isolation,
    },
  ],
};

/** The first of the location labels by which all peers of a region differ; `none` where no label does. */
async function isolation(context: CommandContext): Promise<void> {
  const [config, stores, regions] = await Promise.all(
    ["config/replicate", "stores", "regions"].map((path) => context.request("GET", path)),
  );
  const failed = [config, stores, regions].find((answer) => answer?.status !== 200);
  if (failed !== undefined) return context.print(`Failed to get labels: ${failureText(failed)}`);
  const { "location-labels": listed } = parseJson(config as PdAnswer) as { "location-labels"?: unknown };
  const labels = (typeof listed === "string" ? listed : "").split(",").filter((name) => name !== "");
  const wanted = context.args.length === 0 ? labels : labels.filter((name) => context.args.includes(name));
  const byStore = new Map(
    (parseJson(stores as PdAnswer) as { stores: { store: { id: number; labels?: { key: string; value: string }[] } }[] }).stores.map(
      ({ store }) => [store.id, store.labels ?? []],
    ),
  );
  const counts = new Map<string, number>();
  const found: [number, string][] = [];
  for (const region of (parseJson(regions as PdAnswer) as { regions: { id: number; peers?: { store_id: number }[] }[] }).regions) {
    const name = wanted.find((label) => {
      const values = (region.peers ?? []).map((peer) =>
        byStore
          .get(peer.store_id)
          ?.find(({ key }) => key.toLowerCase() === label.toLowerCase())
          ?.value.toLowerCase(),
      );
      return values.every((value) => value !== undefined) && new Set(values).size === values.length;
    });
    found.push([region.id, name ?? "none"]);
    counts.set(name ?? "none", (counts.get(name ?? "none") ?? 0) + 1);
  }
  const map = (entries: readonly (readonly [string | number, string | number])[]) =>
    `map[${entries.map(([key, value]) => `${key}:${value}`).join(" ")}]`;
  const sorted = [...counts].sort(([a], [b]) => (a < b ? -1 : 1));
  context.print(`label-count:${map(sorted)},region-map:${map(found.sort(([a], [b]) => a - b))}`);
}
