/** `pd-ctl config …`, but for placement rules. */
import { scheduleItems } from "../../server/config/core/items.ts";
import { type Command, type CommandContext, failureText } from "../command.ts";
import { parseJson, prettyJson, wholeNumber } from "./helpers.ts";

/** Members in the order of their names, as the original prints what it has looked into. */
function sorted(value: Readonly<Record<string, unknown>>, keep: (key: string) => boolean = () => true): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => keep(key))
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );
}

/** Items of scheduling that only `config show all` prints. */
const hidden = new Set(Object.entries(scheduleItems).flatMap(([key, item]) => ("isHidden" in item ? [key] : [])));

async function showShort(context: CommandContext): Promise<void> {
  const answer = await context.request("GET", "config");
  if (answer.status !== 200) return context.print(`Failed to get config: ${failureText(answer)}`);
  const { schedule = {}, replication = {} } = parseJson(answer) as {
    schedule?: Record<string, unknown>;
    replication?: Record<string, unknown>;
  };
  context.print(prettyJson({ replication: sorted(replication), schedule: sorted(schedule, (key) => !hidden.has(key)) }));
}

const shown = (name: string, path: string, about: string): Command => ({
  usage: name,
  about,
  run: (context) => context.get(path, (failure) => `Failed to get config: ${failure}`),
});

async function setItem(context: CommandContext): Promise<void> {
  if (context.args.length !== 2) return context.usage();
  const [item, text] = context.args as [string, string];
  const number = /^-?\d+(\.\d+)?(e[+-]?\d+)?$/i.test(text) ? Number(text) : null;
  const value = number === null ? text : number;
  if (item === "max-replicas" && number !== null) await warnFewerReplicas(context, number);
  const answer = await context.request("POST", "config", JSON.stringify({ [item]: value }));
  context.print(answer.status === 200 ? "Success!" : `Failed to set config: ${failureText(answer)}`);
}

async function warnFewerReplicas(context: CommandContext, wanted: number): Promise<void> {
  const answer = await context.request("GET", "config/replicate");
  if (answer.status !== 200) return;
  const { "max-replicas": now } = parseJson(answer) as { "max-replicas"?: number };
  if (typeof now === "number" && wanted < now)
    context.warn(
      `Setting max-replica to ${wanted} which is less than the current replicas (${now}). This may pose a risk. Please confirm the setting.`,
    );
}

const labelProperty = (action: "set" | "delete") => async (context: CommandContext) => {
  if (context.args.length !== 3) return context.usage();
  const [type, key, value] = context.args;
  await context.post("config/label-property", { type, action, "label-key": key, "label-value": value });
};

async function setReplicationMode(context: CommandContext): Promise<void> {
  const { args } = context;
  const [mode, key, value] = args;
  if (args.length === 1) return context.post("config/replication-mode", { "replication-mode": mode });
  if (args.length !== 3 || key === undefined || value === undefined || mode === undefined) return context.usage();
  let typed: unknown = value;
  if (key === "primary-replicas" || key === "dr-replicas") {
    if (!wholeNumber.test(value))
      return context.print(`value ${value} cannot covert to number: strconv.ParseInt: parsing ${JSON.stringify(value)}: invalid syntax`);
    typed = Number(value);
  }
  await context.post("config/replication-mode", { [mode]: { [key]: typed } });
}

/** `placementRules`: the commands of the rules part. */
export function configCommand(placementRules: readonly Command[]): Command {
  return {
    usage: "config",
    about: "show and set the configuration that can change while the cluster runs",
    examples: ["pd-ctl config show", "pd-ctl config set max-replicas 3", "pd-ctl config set location-labels zone,rack,host"],
    subcommands: [
      {
        usage: "show [replication|label-property|all]",
        about: "show the configuration of scheduling and replication",
        run: showShort,
        subcommands: [
          shown("all", "config", "show the whole configuration"),
          shown("schedule", "config/schedule", "show what concerns scheduling"),
          shown("replication", "config/replicate", "show what concerns replication"),
          shown("label-property", "config/label-property", "show properties of labels"),
          shown("cluster-version", "config/cluster-version", "show the version of the cluster"),
          shown("replication-mode", "config/replication-mode", "show the replication mode"),
          shown("server", "config/pd-server", "show what concerns the servers"),
        ],
      },
      {
        usage: "set <option> <value>, set label-property <type> <key> <value>, set cluster-version <version>",
        about: "set an item of the configuration",
        run: setItem,
        subcommands: [
          { usage: "label-property <type> <key> <value>", about: "give a property to stores with a label", run: labelProperty("set") },
          {
            usage: "cluster-version <version>",
            about: "set the version of the cluster",
            run: (context) =>
              context.args.length === 1
                ? context.post("config/cluster-version", { "cluster-version": context.args[0] })
                : Promise.resolve(context.usage()),
          },
          {
            usage: "replication-mode <mode> [<key>, <value>]",
            about: "set the replication mode, or an item of it",
            run: setReplicationMode,
          },
        ],
      },
      {
        usage: "delete",
        about: "delete an item of the configuration",
        subcommands: [
          { usage: "label-property <type> <key> <value>", about: "take a property from stores with a label", run: labelProperty("delete") },
        ],
      },
      ...placementRules,
    ],
  };
}
