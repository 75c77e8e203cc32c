/**
 * MariaDB's GTID positions: `0-1-100,1-2-7`, per domain the last transaction (domain-server-sequence). A position stands for
 * everything of the domain up to it, so containment compares sequence numbers.
 */
export interface MariadbGtid {
  readonly domain: number;
  readonly server: number;
  readonly sequence: bigint;
}

const gtidForm = /^(\d{1,10})-(\d{1,10})-(\d{1,20})$/;
const u32Max = 0xffff_ffff;
const domainsMax = 100_000;

export class MariadbGtidSet {
  readonly flavor = "mariadb";
  readonly #domains: ReadonlyMap<number, MariadbGtid>;

  constructor(domains: ReadonlyMap<number, MariadbGtid> = new Map()) {
    this.#domains = domains;
  }

  get isEmpty(): boolean {
    return this.#domains.size === 0;
  }
  /** By domain, ascending. */
  get gtids(): MariadbGtid[] {
    return [...this.#domains.values()].sort((a, b) => a.domain - b.domain);
  }
  get(domain: number): MariadbGtid | undefined {
    return this.#domains.get(domain);
  }

  /** The domain's position becomes this transaction, also when its number is lower: the log says what comes after what. */
  add(gtid: string | MariadbGtid): MariadbGtidSet {
    const parsed = typeof gtid === "string" ? parseMariadbGtid(gtid) : gtid;
    return new MariadbGtidSet(new Map(this.#domains).set(parsed.domain, parsed));
  }

  union(other: MariadbGtidSet): MariadbGtidSet {
    const domains = new Map(this.#domains);
    for (const [domain, gtid] of other.#domains) {
      const own = domains.get(domain);
      if (own === undefined || own.sequence < gtid.sequence) domains.set(domain, gtid);
    }
    return new MariadbGtidSet(domains);
  }

  /** The domains of this set that `other` has not reached. */
  subtract(other: MariadbGtidSet): MariadbGtidSet {
    return new MariadbGtidSet(new Map([...this.#domains].filter(([domain, gtid]) => (other.get(domain)?.sequence ?? -1n) < gtid.sequence)));
  }

  contains(other: MariadbGtidSet): boolean {
    return other.subtract(this).isEmpty;
  }
  equals(other: MariadbGtidSet): boolean {
    return this.toString() === other.toString();
  }
  toString(): string {
    return this.gtids.map(({ domain, server, sequence }) => `${domain}-${server}-${sequence}`).join(",");
  }
}

function parseMariadbGtid(text: string): MariadbGtid {
  const match = gtidForm.exec(text.trim());
  if (match === null) throw new RangeError(`no MariaDB GTID: ${text.slice(0, 80)}`);
  const domain = Number(match[1]);
  const server = Number(match[2]);
  const sequence = BigInt(match[3] as string);
  if (domain > u32Max || server > u32Max || sequence > 0xffff_ffff_ffff_ffffn)
    throw new RangeError(`out of range in a MariaDB GTID: ${text}`);
  return { domain, server, sequence };
}

/** Several positions of one domain: the highest stays. */
export function parseMariadbGtidSet(text: string): MariadbGtidSet {
  const items = text.split(",").filter((item) => item.trim() !== "");
  if (items.length > domainsMax) throw new RangeError(`a GTID set of more than ${domainsMax} domains`);
  let set = new MariadbGtidSet();
  for (const item of items) set = set.union(new MariadbGtidSet().add(item));
  return set;
}
