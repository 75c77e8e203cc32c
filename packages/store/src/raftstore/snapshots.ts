/**
 * Snapshots of regions on their way: read from the engine and sent in chunks; received into a file; put into the engine from
 * there. Nothing holds more than a chunk in memory.
 *
 *   chunk = checksum u32 │ family u8 │ pairs (key, value)*         the last one: checksum │ 255 │ number of pairs
 *   file  = (length u32 │ chunk)*
 */
import { crc32 } from "node:zlib";
import type { DiskFile } from "@skein/base";
import type { EngineWrite, Family } from "../engine/engine.ts";
import { Decoder, Encoder } from "../raftlog/core/encoder.ts";
import {
  applyStateKey,
  decodeApplyState,
  decodeRegion,
  decodeRegionState,
  decodeSafePoint,
  encodeRegion,
  encodeSafePoint,
  type PeerAddress,
  regionStateKey,
} from "./core/codec.ts";
import { membershipOf, type Region } from "./core/region.ts";
import { raftstoreErrors } from "./errors.ts";
import { Pace } from "./pace.ts";
import type { Peer, SnapshotFile } from "./peer.ts";
import type { RaftStore } from "./raft-store.ts";

interface Header {
  readonly from: PeerAddress;
  readonly to: PeerAddress;
  /** Of the sender's Raft. */
  readonly raftTerm: number;
  readonly index: number;
  readonly term: number;
  readonly region: Region;
  /** Up to where versions may be missing from it. */
  readonly safePoint: bigint;
}

const families: readonly Family[] = ["default", "lock", "write"];
const endMark = 255;
const chunkBytesLimit = 64 * 1024 * 1024;

function encodeHeader({ from, to, raftTerm, index, term, region, safePoint }: Header): Uint8Array {
  const out = new Encoder(256);
  out.varint(from.id).varint(from.storeId).varint(to.id).varint(to.storeId).varint(raftTerm).varint(index).varint(term);
  encodeRegion(out, region);
  out.bytes(encodeSafePoint(safePoint));
  return out.take();
}

function decodeHeader(bytes: Uint8Array): Header {
  const input = new Decoder(bytes);
  const from = { id: input.varint(), storeId: input.varint() };
  const to = { id: input.varint(), storeId: input.varint() };
  const [raftTerm, index, term] = [input.varint(), input.varint(), input.varint()];
  return { from, to, raftTerm, index, term, region: decodeRegion(input), safePoint: decodeSafePoint(input.bytes()) };
}

/** A peer that one of this store's leaders has to send a snapshot to. */
interface Wanted {
  readonly peer: Peer;
  readonly to: number;
  readonly storeId: number;
  /** Of the leader. */
  readonly term: number;
}

export class Snapshots {
  readonly #store: RaftStore;
  readonly #folder: string;
  sending = 0;
  receiving = 0;
  installing = 0;
  /**
   * Those that have no place yet, longest first. When many regions get a replica at once, each takes the place of one that is done: if
   * they were refused and asked again with a later heartbeat, places would stay empty meanwhile, and all of them would be kept awake.
   */
  readonly #waiting = new Set<Wanted>();
  /** Those that come in, and wait for a place here. */
  readonly #arriving: (() => void)[] = [];
  /** Files that a region is being made from. */
  readonly #held = new Set<string>();
  /** One file at a time gets its name and is offered to its peer: two of one position have the same name. */
  #placing: Promise<void> = Promise.resolve();

  readonly #pace: Pace;

  constructor(store: RaftStore, folder: string) {
    this.#store = store;
    this.#folder = folder;
    this.#pace = new Pace(store.world.clock, store.options.snapshotBytesPerSecond);
  }

  async open(): Promise<void> {
    await this.#store.world.disk.makeFolder(this.#folder);
  }

  pathOf(regionId: number, index: number, term: number): string {
    return `${this.#folder}/${regionId}-${term}-${index}.snap`;
  }

  /** After a start: regions are being made from those of `keep`; all others are of an earlier life. */
  async removeOthers(keep: readonly string[]): Promise<void> {
    for (const path of keep) this.#held.add(path);
    const { disk } = this.#store.world;
    for (const name of await disk.list(this.#folder))
      if (!this.#held.has(`${this.#folder}/${name}`)) await disk.remove(`${this.#folder}/${name}`);
  }
  async forget(regionId: number): Promise<void> {
    const { disk } = this.#store.world;
    for (const name of await disk.list(this.#folder)) {
      if (!name.startsWith(`${regionId}-`)) continue;
      this.#held.delete(`${this.#folder}/${name}`);
      await disk.remove(`${this.#folder}/${name}`);
    }
  }
  async remove({ path }: SnapshotFile): Promise<void> {
    await this.#store.world.disk.remove(path);
    this.#held.delete(path);
  }

  // ── sending ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** What it holds is newer than what was asked for, or as new. The peer's Raft is told how it ended. */
  send(peer: Peer, to: number): void {
    const storeId = peer.storeOf.get(to);
    if (storeId === undefined) return this.#endLater(peer, to);
    this.#waiting.add({ peer, to, storeId, term: peer.raft.term });
    // The core waits for word of it: not before it is done with this turn.
    this.#store.world.clock.afterTurn(() => this.#sendWaiting());
  }

  /** A store cannot be reached: what waits to be sent there would only keep the places of others. */
  unreachable(storeId: number): void {
    for (const wanted of this.#waiting) {
      if (wanted.storeId !== storeId) continue;
      this.#waiting.delete(wanted);
      this.#endLater(wanted.peer, wanted.to);
    }
  }

  #end(peer: Peer, to: number, isInstalled: boolean): void {
    if (peer.isDestroyed || this.#store.isClosed) return;
    peer.raft.reportSnapshot(to, isInstalled);
    this.#store.markDirty(peer);
  }

  /** It was not sent. Not told at once: whatever was in the way may need a moment. */
  #endLater(peer: Peer, to: number): void {
    this.#store.world.clock.timer(this.#store.options.tickMs, () => this.#end(peer, to, false));
  }

  #sendWaiting(): void {
    const store = this.#store;
    for (const wanted of this.#waiting) {
      if (store.isClosed || this.sending >= store.options.snapshotsMax) return;
      this.#waiting.delete(wanted);
      const { peer, to } = wanted;
      // Somebody else leads by now, or the log was enough after all.
      const isWanted = peer.isLeader && peer.raft.term === wanted.term && peer.raft.progress.get(to)?.state.kind === "snapshot";
      if (peer.isDestroyed || !isWanted) continue;
      if (peer.kind === "normal") this.#sendNow(wanted);
      else this.#endLater(peer, to);
    }
  }

  #sendNow({ peer, to, storeId }: Wanted): void {
    const store = this.#store;
    this.sending++;
    const work = async (): Promise<void> => {
      try {
        using snapshot = store.engine.snapshot();
        const state = snapshot.get("local", regionStateKey(peer.regionId));
        const apply = snapshot.get("local", applyStateKey(peer.regionId));
        if (state === null || apply === null) throw raftstoreErrors.snapshotDamaged([peer.regionId]);
        const { region, kind } = decodeRegionState(state);
        if (kind !== "normal") throw raftstoreErrors.snapshotDamaged([peer.regionId]);
        const { applied, appliedTerm } = decodeApplyState(apply);
        const from = { id: peer.id, storeId: store.storeId };
        // It is learned before anything is removed: what the snapshot may miss, it tells.
        const { safePoint } = store;
        const position = { index: applied, term: appliedTerm };
        const header = encodeHeader({ from, to: { id: to, storeId }, raftTerm: peer.raft.term, ...position, region, safePoint });
        await store.transport.sendSnapshot(storeId, header, this.#chunks(snapshot, region), store.signal);
        store.stats.snapshotsSent++;
        this.#end(peer, to, true);
      } catch (error) {
        if (!store.isClosed) store.world.log.info("a snapshot was not delivered", { regionId: peer.regionId, to, reason: String(error) });
        if (!store.isClosed) this.#endLater(peer, to);
      } finally {
        this.sending--;
        this.#sendWaiting();
      }
    };
    store.background(work());
  }

  async *#chunks(reader: { scan: RaftStore["engine"]["scan"] }, region: Region): AsyncGenerator<Uint8Array, void, void> {
    const { snapshotChunkBytes } = this.#store.options;
    const out = new Encoder(1024);
    let pairs = 0;
    const close = (): Uint8Array => {
      out.setU32(0, crc32(out.view(4)));
      return out.take();
    };
    for (const family of families) {
      out.clear();
      out.u32(0).u8(families.indexOf(family));
      for await (const block of reader.scan(family, { start: region.startKey, end: region.endKey }))
        for (const { key, value } of block) {
          out.bytes(key).bytes(value);
          pairs++;
          if (out.length < snapshotChunkBytes) continue;
          await this.#pace.take(out.length);
          yield close();
          out.clear();
          out.u32(0).u8(families.indexOf(family));
        }
      if (out.length > 5) yield close();
    }
    out.clear();
    out.u32(0).u8(endMark).varint(pairs);
    yield close();
  }

  // ── receiving ───────────────────────────────────────────────────────────────────────────────────────────────────────

  async receive(headerBytes: Uint8Array, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const store = this.#store;
    const header = decodeHeader(headerBytes);
    this.#answerOld(header);
    this.#check(header);
    await this.#arrive();
    const { disk } = store.world;
    const { region, index, term } = header;
    const path = this.pathOf(region.id, index, term);
    const temporary = `${path}.${header.raftTerm}-${this.#next++}.tmp`;
    try {
      await this.#write(temporary, region.id, chunks);
      const place = () => this.#place(header, temporary, path);
      this.#placing = this.#placing.then(place, place);
      await this.#placing;
    } finally {
      this.#leave();
      await disk.remove(temporary);
    }
  }
  #next = 0;

  /** Gives a whole file its name and offers it to its peer. */
  async #place(header: Header, temporary: string, path: string): Promise<void> {
    const store = this.#store;
    const { disk } = store.world;
    const { from, to, raftTerm, region, index, term } = header;
    this.#check(header);
    if (this.#held.has(path)) throw new Error("a region is being made from it");
    await store.takeSafePoint(header.safePoint);
    try {
      await disk.rename(temporary, path);
      await disk.syncFolder(this.#folder);
      while (store.peers.get(region.id)?.isApplying === true && !store.isClosed) await store.turnEnd();
      this.#check(header);
      const peer = store.peers.get(region.id) ?? store.createEmpty(region.id, to.id);
      peer.storeOf.set(from.id, from.storeId);
      for (const member of region.peers) peer.storeOf.set(member.id, member.storeId);
      const message = {
        from: from.id,
        to: to.id,
        term: raftTerm,
        kind: "snapshot",
        snapshot: { index, term, membership: membershipOf(region) },
      } as const;
      this.#held.add(path);
      if (!store.stepSnapshot(peer, message, { path, index, term, region })) this.#held.delete(path);
    } finally {
      if (!this.#held.has(path)) await disk.remove(path);
    }
  }

  /** Takes a place to receive with. What waits for one holds a connection and the first chunks: only some may. */
  async #arrive(): Promise<void> {
    const { snapshotsReceivedMax } = this.#store.options;
    if (this.receiving < snapshotsReceivedMax) this.receiving++;
    else if (this.#arriving.length < snapshotsReceivedMax * 2) await new Promise<void>((go) => this.#arriving.push(go));
    else throw new Error("too many snapshots are received");
  }

  /** Whoever waits longest has the place now. */
  #leave(): void {
    const next = this.#arriving.shift();
    if (next === undefined) this.receiving--;
    else next();
  }

  /** A leader that does not know how far this peer is learns it from the answer to what needs no data. */
  #answerOld({ from, to, raftTerm, index, term, region }: Header): void {
    const store = this.#store;
    const peer = store.peers.get(region.id);
    if (peer === undefined || peer.id !== to.id || !peer.isInitialized || peer.isInstalling || peer.applied < index) return;
    peer.raft.step({
      from: from.id,
      to: to.id,
      term: raftTerm,
      kind: "snapshot",
      snapshot: { index, term, membership: membershipOf(region) },
    });
    store.markDirty(peer);
  }

  /** Throws when this store has no place for it (now). */
  #check({ to, region, index }: Header): void {
    const store = this.#store;
    const refuse = (reason: string): never => {
      throw new Error(`the snapshot of region ${region.id} is refused: ${reason}`);
    };
    if (store.isClosed || to.storeId !== store.storeId) refuse("it is for another store");
    if (!store.hasRoom) refuse("the disk is full");
    const peer = store.peers.get(region.id);
    if (peer === undefined) {
      if (!store.mayCreate(region.id, to.id)) refuse("the peer was destroyed");
    } else {
      if (peer.id !== to.id) refuse("it is for another peer");
      if (peer.isInstalling) refuse("one is being put in place");
      if (peer.isInitialized && peer.applied >= index) refuse("it is old");
    }
    for (const other of store.ranges.overlapping(region))
      if (other !== peer && !store.isSwallowed(other, region)) {
        if (store.peers.get(other.region.id) === other && !store.isCatchingUp(other)) store.askAround(other); // it may have missed its end
        refuse(`region ${other.region.id} is in its place`);
      }
  }

  async #write(path: string, regionId: number, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const { disk } = this.#store.world;
    await using file = await disk.open(path, { create: true });
    let at = 0;
    let pairs = 0;
    let isWhole = false;
    const length = new Uint8Array(4);
    for await (const chunk of chunks) {
      await this.#pace.take(chunk.length);
      if (
        isWhole ||
        chunk.length < 5 ||
        chunk.length > chunkBytesLimit ||
        crc32(chunk.subarray(4)) !== new DataView(chunk.buffer, chunk.byteOffset).getUint32(0, true)
      )
        throw raftstoreErrors.snapshotDamaged([regionId]);
      const input = new Decoder(chunk, 4);
      if (input.u8() === endMark) {
        isWhole = true;
        if (input.varint() !== pairs) throw raftstoreErrors.snapshotDamaged([regionId]);
      } else
        for (; input.left > 0; pairs++) {
          input.bytes();
          input.bytes();
        }
      new DataView(length.buffer).setUint32(0, chunk.length, true);
      await file.write(at, length);
      await file.write(at + 4, chunk);
      at += 4 + chunk.length;
    }
    if (!isWhole) throw raftstoreErrors.snapshotDamaged([regionId]);
    await file.sync();
  }

  /** A file that is gone is as bad as a damaged one. */
  async #openAgain({ path }: SnapshotFile, region: Region): Promise<DiskFile> {
    try {
      return await this.#store.world.disk.open(path, { readOnly: true });
    } catch (error) {
      throw (error as NodeJS.ErrnoException).code === "ENOENT" ? raftstoreErrors.snapshotDamaged([region.id], error) : error;
    }
  }

  // ── putting in place ────────────────────────────────────────────────────────────────────────────────────────────────

  async ingest(snapshot: SnapshotFile, region: Region): Promise<void> {
    const store = this.#store;
    this.installing++;
    try {
      await using file = await this.#openAgain(snapshot, region);
      for (let at = 0; ; ) {
        const head = await file.read(at, 4);
        if (head.length < 4) throw raftstoreErrors.snapshotDamaged([region.id]);
        const length = new DataView(head.buffer, head.byteOffset).getUint32(0, true);
        if (length < 5 || length > chunkBytesLimit) throw raftstoreErrors.snapshotDamaged([region.id]);
        const chunk = await file.read(at + 4, length);
        if (chunk.length < length || crc32(chunk.subarray(4)) !== new DataView(chunk.buffer, chunk.byteOffset).getUint32(0, true))
          throw raftstoreErrors.snapshotDamaged([region.id]);
        at += 4 + length;
        const input = new Decoder(chunk, 4);
        const kind = input.u8();
        if (kind === endMark) return;
        const family = families[kind] as Family;
        const writes: EngineWrite[] = [];
        while (input.left > 0) writes.push({ kind: "put", family, key: input.bytes(), value: input.bytes() });
        await store.engine.write(writes);
      }
    } finally {
      this.installing--;
    }
  }
}
