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
  readonly stores: number;
  /** `east:2,west:2`: the first two stores get zone=east, the next two zone=west. */
  readonly zones?: string;
  /** `store-1=zone=east,host=h1`, once for each store. */
  readonly labels: readonly string[];
}

/** What is wrong with the flags, in words for the user. */
export class TopologyError extends Error {
  override readonly name = "TopologyError";
}

export function planTopology(flags: TopologyFlags): Topology {
  if (flags.pds !== 1 && flags.pds !== 3) throw new TopologyError(`--pd is 1 or 3, not ${flags.pds}`);
  const labels = Array.from({ length: flags.stores }, () => new Map<string, string>());
  if (flags.zones !== undefined) {
    const zones = flags.zones.split(",").flatMap((part) => {
      const [, name, count] = /^([^:=]+):(\d+)$/.exec(part.trim()) ?? [];
      if (name === undefined) throw new TopologyError(`--zones is a list like east:2,west:2, and ${part} is none of it`);
      return Array.from({ length: Number(count) }, () => name);
    });
    if (zones.length !== flags.stores) throw new TopologyError(`--zones names ${zones.length} stores, --stores is ${flags.stores}`);
    zones.forEach((zone, i) => labels[i]?.set("zone", zone));
  }
  for (const text of flags.labels) {
    const [, name = "", list = ""] = /^(store-\d+)=(.*)$/.exec(text) ?? [];
    const of = labels[Number(name.slice("store-".length)) - 1];
    if (of === undefined) throw new TopologyError(`--labels ${text}: say store-N=key=value,…, with one of ${flags.stores} stores`);
    for (const [key, value] of parseLabels(list)) of.set(key, value);
  }
  return {
    pds: Array.from({ length: flags.pds }, (_, i) => `pd-${i + 1}`),
    stores: labels.map((each, i) => ({ name: `store-${i + 1}`, labels: each })),
  };
}

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
