/** Commands beside the cluster's own: keyspaces, resource control, and those that this program refuses with what to do instead. */
import { type Command, type CommandContext, failureText } from "../command.ts";
import { wholeNumber } from "./helpers.ts";

const keyspaces = "/pd/api/v2/keyspaces";
const groups = "/pd/api/v2/tso/keyspace-groups";
const controller = "/resource-manager/api/v1/config/controller";

/** Prints the answer, or `Failed to <what>: [500] "…"`. */
async function ask(
  context: CommandContext,
  method: "GET" | "POST" | "DELETE" | "PATCH" | "PUT",
  path: string,
  what: string,
  body?: unknown,
): Promise<void> {
  const answer = await context.request(method, path, body === undefined ? undefined : JSON.stringify(body));
  context.print(answer.status === 200 ? answer.text : `Failed to ${what}: ${failureText(answer)}`);
}

/** With so many arguments, or the usage. */
const counted =
  (least: number, most: number, run: (context: CommandContext, ...words: string[]) => Promise<void>) => (context: CommandContext) =>
    context.args.length < least || context.args.length > most ? Promise.resolve(context.usage()) : run(context, ...context.args);

/** `a=1,b=2`; null after a word on the one that is none. */
function pairs(context: CommandContext, words: readonly string[]): Readonly<Record<string, string>> | null {
  const bad = words.find((word) => !word.includes("="));
  if (bad === undefined)
    return Object.fromEntries(words.map((word) => [word.slice(0, word.indexOf("=")), word.slice(word.indexOf("=") + 1)]));
  context.print(`${bad} should be <key>=<value>`);
  return null;
}

export const keyspaceCommand: Command = {
  usage: "keyspace",
  about: "keyspace commands",
  subcommands: [
    {
      usage: "create <keyspace-name>",
      about: "create a keyspace",
      flags: [{ name: "config", kind: "strings", about: "its configuration: key=value" }],
      run: counted(1, 1, async (context, name) => {
        const config = pairs(context, context.list("config"));
        if (config !== null) await ask(context, "POST", keyspaces, "create the keyspace", { name, config });
      }),
    },
    {
      usage: "list",
      about: "list keyspaces according to filters",
      flags: [
        { name: "limit", kind: "string", about: "so many at most" },
        { name: "page_token", kind: "string", about: "from where the last list ended" },
      ],
      run: counted(0, 0, async (context) => {
        const query = ["limit", "page_token"]
          .filter((name) => context.isSet(name))
          .map((name) => `${name}=${encodeURIComponent(context.flag(name))}`);
        await ask(context, "GET", `${keyspaces}${query.length === 0 ? "" : `?${query.join("&")}`}`, "list keyspaces");
      }),
    },
    {
      usage: "show",
      about: "show keyspace metadata",
      subcommands: [
        {
          usage: "id <id>",
          about: "of the keyspace with an id",
          run: counted(1, 1, (context, id) =>
            ask(context, "GET", `${keyspaces}/id/${encodeURIComponent(id)}`, "get the keyspace information"),
          ),
        },
        {
          usage: "name <name>",
          about: "of the keyspace with a name",
          run: counted(1, 1, (context, name) =>
            ask(context, "GET", `${keyspaces}/${encodeURIComponent(name)}`, "get the keyspace information"),
          ),
        },
      ],
    },
    {
      usage: "update-config <keyspace-name>",
      about: "update keyspace config",
      flags: [
        { name: "update", kind: "strings", about: "what is set: key=value" },
        { name: "remove", kind: "strings", about: "keys that are taken out" },
      ],
      run: counted(1, 1, async (context, name) => {
        const set = pairs(context, context.list("update"));
        if (set === null) return;
        const config = { ...set, ...Object.fromEntries(context.list("remove").map((key) => [key, null])) };
        await ask(context, "PATCH", `${keyspaces}/${encodeURIComponent(name)}/config`, "update the keyspace config", { config });
      }),
    },
    {
      usage: "update-state <keyspace-name> <state>",
      about: "update the state of a keyspace",
      run: counted(2, 2, (context, name, state) =>
        ask(context, "PUT", `${keyspaces}/${encodeURIComponent(name)}/state`, "update the keyspace state", { state }),
      ),
    },
  ],
};

const group = (usage: string, about: string, least: number, most: number, method: "POST" | "PUT" | "PATCH", path: string): Command => ({
  usage,
  about,
  ...(usage.startsWith("merge") ? { flags: [{ name: "all", kind: "bool" as const, about: "all of them" }] } : {}),
  run: counted(least, most, (context, id) =>
    wholeNumber.test(id)
      ? ask(context, method, `${groups}/${id}${path}`, "change the keyspace group", { args: context.args.slice(1) })
      : Promise.resolve(context.print("Failed to parse the keyspace group ID: a number is needed")),
  ),
});

export const keyspaceGroupCommand: Command = {
  usage: "keyspace-group [command]",
  about: "show and change the groups of keyspaces, where timestamps are a service of their own",
  flags: [{ name: "state", kind: "string", about: "only groups in this state" }],
  run: counted(0, 1, (context, id) =>
    ask(
      context,
      "GET",
      `${groups}${id === undefined ? "" : `/${encodeURIComponent(id)}`}${context.isSet("state") ? `?state=${encodeURIComponent(context.flag("state"))}` : ""}`,
      id === undefined ? "get the keyspace groups information" : "get the keyspace group information",
    ),
  ),
  subcommands: [
    group("merge <target_keyspace_group_id> [<keyspace_group_id>]", "merge groups into one", 1, 100, "POST", "/merge"),
    group("primary <keyspace_group_id>", "show who serves a group", 1, 1, "POST", "/primary"),
    group("set-node <keyspace_group_id> <tso_node_addr> [<tso_node_addr>...]", "set who may serve a group", 2, 100, "PATCH", ""),
    group("set-priority <keyspace_group_id> <tso_node_addr> <priority>", "set who should serve a group", 3, 3, "PATCH", ""),
    group("split <keyspace_group_id> <new_keyspace_group_id> [<keyspace_id>]", "split a group", 2, 100, "POST", "/split"),
    group(
      "split-range <keyspace_group_id> <new_keyspace_group_id> <start_keyspace_id> <end_keyspace_id>",
      "split a group by a range of keyspaces",
      4,
      4,
      "POST",
      "/split",
    ),
  ],
};

export const resourceManagerCommand: Command = {
  usage: "resource-manager",
  about: "resource control",
  subcommands: [
    {
      usage: "config",
      about: "its configuration",
      subcommands: [
        {
          usage: "controller",
          about: "of what clients do",
          subcommands: [
            {
              usage: "show",
              about: "show the configuration",
              run: counted(0, 0, (context) => ask(context, "GET", controller, "get the resource manager controller config")),
            },
            {
              usage: "set <key> <value>",
              about: "set an item",
              run: counted(2, 2, (context, key, text) =>
                ask(context, "POST", controller, "set the resource manager controller config", {
                  [key]: /^-?\d+(\.\d+)?(e[+-]?\d+)?$/i.test(text) ? Number(text) : text,
                }),
              ),
            },
          ],
        },
      ],
    },
  ],
};

async function plugin(context: CommandContext, method: "POST" | "DELETE"): Promise<void> {
  if (context.args.length !== 1) return context.usage();
  const answer = await context.request(method, "plugin", JSON.stringify({ "plugin-path": context.args[0] }));
  context.print(
    answer.status === 200 ? answer.text : `Failed to ${method === "POST" ? "load" : "unload"} the plugin: ${failureText(answer)}`,
  );
}

export const pluginCommand: Command = {
  usage: "plugin",
  about: "plugins of Go programs, which this placement driver does not load",
  subcommands: [
    { usage: "load <plugin_path>", about: "refused, with what to do instead", run: (context) => plugin(context, "POST") },
    { usage: "unload <plugin_path>", about: "refused, with what to do instead", run: (context) => plugin(context, "DELETE") },
  ],
};

const recovery = "admin/unsafe/remove-failed-stores";

async function removeFailedStores(context: CommandContext): Promise<void> {
  const isAuto = context.isSet("auto-detect");
  const ids = (context.args[0] ?? "").split(",");
  if (!isAuto && context.args.length === 0) return context.usage();
  if (isAuto && context.args.length > 0) return context.print("The flag auto-detect and store IDs should not be used at the same time.");
  const bad = isAuto ? undefined : ids.find((id) => !wholeNumber.test(id));
  if (bad !== undefined) return context.print(`strconv.ParseUint: parsing ${JSON.stringify(bad)}: invalid syntax`);
  const timeout = Number(context.flag("timeout"));
  if (!Number.isFinite(timeout))
    return context.print(`strconv.ParseFloat: parsing ${JSON.stringify(context.flag("timeout"))}: invalid syntax`);
  await context.post(recovery, { ...(isAuto ? { "auto-detect": true } : { stores: ids.map(Number) }), timeout });
}

export const unsafeCommand: Command = {
  usage: "unsafe",
  about: "what can lose data, which this placement driver does not do yet",
  subcommands: [
    {
      usage: "remove-failed-stores [<store_id1>,<store_id2>,...]",
      about: "refused, with what to do instead",
      flags: [
        { name: "timeout", kind: "string", about: "seconds", fallback: "300" },
        { name: "auto-detect", kind: "bool", about: "find the failed stores" },
      ],
      run: removeFailedStores,
      subcommands: [{ usage: "show", about: "show how far it is", run: (context) => context.get(`${recovery}/show`) }],
    },
  ],
};

export const maintenanceCommand: Command = {
  usage: "maintenance",
  about: "tasks that announce themselves before they stop stores",
  isHidden: true,
  run: async (context) =>
    context.print(
      "maintenance tasks are not supported: move leaders away with `pd-ctl scheduler add evict-leader-scheduler <store_id>` before a store is stopped",
    ),
};

/** `hot history <start_time> <end_time> [<key> <value>]…` as the request's body; a text when a word is none. */
export function historyRequest(words: readonly string[]): Readonly<Record<string, unknown>> | string {
  const [start, end, ...rest] = words as [string, string, ...string[]];
  if (!wholeNumber.test(start)) return "start_time should be a number";
  if (!wholeNumber.test(end)) return "end_time should be a number";
  const body: Record<string, unknown> = { start_time: Number(start), end_time: Number(end) };
  for (let at = 0; at < rest.length; at += 2) {
    const [key, value] = [rest[at] as string, (rest[at + 1] as string).split(",")];
    switch (key) {
      case "hot_region_type":
        if (value.some((each) => each !== "read" && each !== "write")) return "hot_region_type should be read,write";
        body["hot_region_types"] = value;
        break;
      case "region_id":
      case "store_id":
      case "peer_id":
        if (value.some((each) => !wholeNumber.test(each))) return `${key} should be a number`;
        body[`${key}s`] = value.map(Number);
        break;
      case "is_leader":
      case "is_learner":
        if (value.some((each) => each !== "true" && each !== "false")) return `${key} should be true or false`;
        body[`${key}s`] = value.map((each) => each === "true");
        break;
      default:
        return "key should be one of hot_region_type,region_id,store_id,peer_id,is_leader,is_learner";
    }
  }
  return body;
}

export async function hotHistory(context: CommandContext): Promise<void> {
  if (context.args.length < 2 || context.args.length % 2 !== 0) return context.usage();
  const body = historyRequest(context.args);
  if (typeof body === "string") return context.print(body);
  const answer = await context.request("GET", "hotspot/regions/history", JSON.stringify(body));
  context.print(answer.status === 200 ? answer.text : `Failed to get history hotspot: ${failureText(answer)}`);
}
