/** What a playground consists of, from its flags: `--stores 4 --zones east:2,west:2 --labels store-1=host=h1`. */

export interface StorePlan {
  /** `store-1` */
  readonly name: string;
  readonly labels: ReadonlyMap<string, string>;
}

export interface Topology {
  /** `pd-1` … */
  readonly pds: readonly string[];
  readonly stores: readonly StorePlan[];
}

export interface TopologyFlags {
  readonly pds: number;
  /** Without a number there are as many as the zones name, or three. */
  readonly stores?: number;
  /** `east:2,west:2`: the first two stores get zone=east, the next two zone=west. */
  readonly zones?: string;
  /** `store-1=zone=east,host=h1`, once for each store. */
  readonly labels: readonly string[];
}

export const storesMax = 50;
const storesByDefault = 3;

/** What is wrong with the flags, in words for the user. */
export class TopologyError extends Error {
  override readonly name = "TopologyError";
}

export function planTopology(flags: TopologyFlags): Topology {
  if (flags.pds !== 1 && flags.pds !== 3) throw new TopologyError(`--pd is 1 or 3, not ${flags.pds}`);
  const zones = flags.zones === undefined ? [] : parseZones(flags.zones);
  const stores = flags.stores ?? (flags.zones === undefined ? storesByDefault : zones.length);
  if (flags.zones !== undefined && zones.length !== stores)
    throw new TopologyError(`--zones names ${zones.length} stores, --stores is ${stores}`);
  const labels = Array.from({ length: stores }, () => new Map<string, string>());
  zones.forEach((zone, i) => labels[i]?.set("zone", zone));
  for (const text of flags.labels) {
    const [, name = "", list = ""] = /^(store-\d+)=(.*)$/.exec(text) ?? [];
    const of = labels[Number(name.slice("store-".length)) - 1];
    if (of === undefined) throw new TopologyError(`--labels ${text}: say store-N=key=value,…, with one of ${stores} stores`);
    for (const [key, value] of parseLabels(list)) of.set(key, value);
  }
  return {
    pds: Array.from({ length: flags.pds }, (_, i) => `pd-${i + 1}`),
    stores: labels.map((each, i) => ({ name: `store-${i + 1}`, labels: each })),
  };
}

/** `east:2,west:1` as `["east", "east", "west"]`. */
function parseZones(text: string): string[] {
  const zones: string[] = [];
  for (const part of text.split(",")) {
    const [, name, count] = /^([A-Za-z0-9][\w.\-/]*):(\d{1,4})$/.exec(part.trim()) ?? [];
    if (name === undefined || Number(count) === 0)
      throw new TopologyError(`--zones is a list like east:2,west:2, and ${part} is none of it`);
    for (let i = 0; i < Number(count); i++) zones.push(name);
  }
  if (zones.length > storesMax) throw new TopologyError(`--zones names ${zones.length} stores; at most ${storesMax} are started`);
  return zones;
}

/**
 * The placement driver's `location-labels` for these labels: those of them that tell a place, the widest first. Without it replicas
 * would be put anywhere.
 */
export function locationLabels({ stores }: Topology): readonly string[] {
  return places.filter((key) => stores.some(({ labels }) => labels.has(key)));
}
const places: readonly string[] = ["region", "zone", "az", "dc", "idc", "room", "rack", "host"];

/** `zone=east,host=h1`; the form that tikv-server's --labels takes. */
export function parseLabels(text: string): Map<string, string> {
  const labels = new Map<string, string>();
  for (const part of text.split(",").filter((each) => each !== "")) {
    const [, key, value] = /^([A-Za-z0-9][\w.\-/]*)=([\w.\-/]+)$/.exec(part.trim()) ?? [];
    if (key === undefined || value === undefined) throw new TopologyError(`${part} is no label: say key=value`);
    labels.set(key, value);
  }
  return labels;
}

export const labelText = (labels: ReadonlyMap<string, string>): string => [...labels].map(([key, value]) => `${key}=${value}`).join(",");
