/**
 * What a playground's data folder keeps of it, so that the next one goes on with the same processes. Their addresses count, too:
 * several placement drivers know each other by them.
 */
import { planTopology, type StorePlan, type Topology, TopologyError, type TopologyFlags } from "./topology.ts";

export interface KeptAddresses {
  /** `198.18.61`, when each process had a network of its own. */
  readonly subnet: string | null;
  /** On the loopback: `pd-1 2379` → the port that stands for the usual one. */
  readonly ports: ReadonlyMap<string, number>;
}

export interface SavedPlayground {
  readonly topology: Topology;
  readonly addresses: KeptAddresses;
}

export const noAddresses: KeptAddresses = { subnet: null, ports: new Map() };

export function savedText({ topology, addresses }: SavedPlayground): string {
  const stores = topology.stores.map(({ name, labels }) => ({ name, labels: Object.fromEntries(labels) }));
  return `${JSON.stringify({ pds: topology.pds.length, stores, subnet: addresses.subnet, ports: Object.fromEntries(addresses.ports) }, null, 2)}\n`;
}

/** Null for what is none. */
export function parseSaved(text: string): SavedPlayground | null {
  try {
    const { pds, stores, subnet, ports } = JSON.parse(text) as {
      pds: number;
      stores: { labels: Record<string, string> }[];
      subnet: string | null;
      ports: Record<string, number>;
    };
    if (subnet !== null && !/^198\.1[89]\.\d{1,3}$/.test(subnet)) return null;
    const kept = new Map(Object.entries(ports));
    if (![...kept.values()].every((port) => Number.isInteger(port) && port > 0 && port < 65_536)) return null;
    const { pds: names, stores: plain } = planTopology({ pds, stores: stores.length, labels: [] });
    const known = plain.map(({ name }, i): StorePlan => ({ name, labels: new Map(Object.entries(stores[i]?.labels ?? {})) }));
    return { topology: { pds: names, stores: known }, addresses: { subnet, ports: kept } };
  } catch {
    return null;
  }
}

/**
 * The topology of a folder that is used again: what flags do not say is as it was; there can be more stores than before, not fewer.
 *
 * @throws TopologyError when the flags do not fit what is there
 */
export function planAgain(saved: Topology, flags: Omit<TopologyFlags, "pds"> & { readonly pds?: number }): Topology {
  const pds = flags.pds ?? saved.pds.length;
  if (pds !== saved.pds.length) throw new TopologyError(`the data folder is that of ${saved.pds.length} pd-servers, --pd is ${pds}`);
  const isSameCount = flags.stores === undefined && flags.zones === undefined;
  const plan = planTopology({ ...flags, pds, ...(isSameCount ? { stores: saved.stores.length } : {}) });
  if (plan.stores.length < saved.stores.length)
    throw new TopologyError(`the data folder has ${saved.stores.length} stores: start as many or more, not ${plan.stores.length}`);
  return {
    pds: plan.pds,
    stores: plan.stores.map(({ name, labels }, i) => ({ name, labels: new Map([...(saved.stores[i]?.labels ?? []), ...labels]) })),
  };
}
