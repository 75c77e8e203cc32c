/** A placement driver for tests: ids, who lives where, and what the leaders said last. It orders nothing unless a test does. */
import type { Random } from "@skein/base";
import type { PeerChange, Region, SplitPart } from "../core/region.ts";
import type { PdLink, RegionAction, RegionReport, StoreReport } from "../pd-link.ts";

export class PdModel {
  #nextId = 1;
  #clusterId: bigint;
  firstRegion: Region | null = null;
  readonly addresses = new Map<number, string>();
  readonly regions = new Map<number, RegionReport>();
  readonly stores = new Map<number, StoreReport>();
  readonly #listeners = new Map<object, (action: RegionAction) => void>();
  readonly #connected = new Map<object, () => void>();
  /** Leaders whose store said so last: region → listener. */
  readonly #leaders = new Map<number, object>();
  /** Asked things fail while it is set. */
  isDown = false;
  /** Whether there is room for a region's report. */
  takes: (report: RegionReport) => boolean = () => true;

  constructor(clusterId = 77n) {
    this.#clusterId = clusterId;
  }

  nextId(): number {
    return this.#nextId++;
  }

  /** What the region's leader will be told with its next heartbeat, as it were. */
  order(action: RegionAction): void {
    const owner = this.#leaders.get(action.regionId);
    if (owner !== undefined) this.#listeners.get(owner)?.(action);
  }

  /**
   * The next step of a move of one of the region's replicas to another store, as a placement driver takes them by what it was told last:
   * a learner comes, is made a voter as an old one is made a learner, the joint configuration ends, the learner goes. Null: nothing
   * can be done now.
   */
  moveOf(regionId: number, random: Random): RegionAction | null {
    const report = this.regions.get(regionId);
    if (report === undefined) return null;
    const { region, pendingPeers, leaderPeerId } = report;
    const { peers, confVer, version } = region;
    const change = (...changes: readonly PeerChange[]): RegionAction => ({
      kind: "changePeers",
      regionId,
      epoch: { confVer, version },
      changes,
    });
    if (peers.some(({ role }) => role === "incomingVoter" || role === "demotingVoter")) return change();
    const learner = peers.find(({ role }) => role === "learner");
    const voters = peers.filter(({ role }) => role === "voter");
    if (learner === undefined) {
      const free = [...this.stores.keys()].filter((storeId) => !peers.some((peer) => peer.storeId === storeId));
      if (free.length === 0) return null;
      return change({ kind: "addLearner", peerId: this.nextId(), storeId: random.pick(free) });
    }
    if (random.chance(0.3)) return change({ kind: "remove", peerId: learner.id, storeId: learner.storeId });
    if (pendingPeers.includes(learner.id)) return null;
    const old = random.pick(voters);
    if (old.id === leaderPeerId && voters.length > 1) {
      const next = random.pick(voters.filter(({ id }) => id !== leaderPeerId));
      return { kind: "transferLeader", regionId, epoch: { confVer, version }, peerId: next.id };
    }
    const joins: PeerChange = { kind: "addVoter", peerId: learner.id, storeId: learner.storeId };
    return voters.length < 3 ? change(joins) : change(joins, { kind: "addLearner", peerId: old.id, storeId: old.storeId });
  }

  /** Another one leads: it knows the regions and the stores by what is told to it from now on. */
  restart(): void {
    this.regions.clear();
    this.stores.clear();
    for (const connected of this.#connected.values()) connected();
  }

  /** The link of one life of a store. */
  link(): PdLink {
    const owner = {};
    const up = () => {
      if (this.isDown) throw new Error("the placement driver is not reachable");
    };
    return {
      clusterId: async () => (up(), this.#clusterId),
      allocId: async () => (up(), this.nextId()),
      isBootstrapped: async () => (up(), this.firstRegion !== null),
      bootstrap: async (_storeId, region) => {
        up();
        if (this.firstRegion !== null) return false;
        this.firstRegion = region;
        return true;
      },
      regionById: async (id) => (up(), this.regions.get(id)?.region ?? (this.firstRegion?.id === id ? this.firstRegion : null)),
      storeAddress: async (id) => (up(), this.addresses.get(id) ?? null),
      askBatchSplit: async (region, count) => {
        up();
        return Array.from(
          { length: count },
          (): SplitPart => ({ regionId: this.nextId(), peerIds: region.peers.map(() => this.nextId()) }),
        );
      },
      reportBatchSplit: () => {},
      storeHeartbeat: async (report) => {
        up();
        this.stores.set(report.storeId, report);
      },
      regionHeartbeat: (report) => {
        if (this.isDown || !this.takes(report)) return false;
        const known = this.regions.get(report.region.id);
        if (
          known !== undefined &&
          (known.term > report.term || known.region.version > report.region.version || known.region.confVer > report.region.confVer)
        )
          return true;
        this.regions.set(report.region.id, report);
        this.#leaders.set(report.region.id, owner);
        return true;
      },
      onRegionAction: (listener) => void this.#listeners.set(owner, listener),
      onConnected: (listener) => void this.#connected.set(owner, listener),
      onRoom: () => {},
    };
  }
}
