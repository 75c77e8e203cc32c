/**
 * Regions as the storage keeps them (`metapb.Region`, without what heartbeats tell), read straight into records: a start reads all of
 * them, and what lies between a message and a record, a dozen small objects for each region, took most of its time.
 */
import { Reader } from "@skein/rpc";
import { pdErrors } from "../errors.ts";
import { isKeyAt, type KeyText, keyText } from "./keys.ts";
import { peerRoles, RegionRecord, witnessBit } from "./region-record.ts";

/** Of fields 1 to 5 of the message, with their wire types. */
const tag = { id: 8, startKey: 18, endKey: 26, epoch: 34, peer: 42 };

export class RegionReader {
  readonly #reader = new Reader();
  /** Regions come mostly in key order: the end of one is the start of the next. */
  #border: KeyText = "";

  set(bytes: Uint8Array): void {
    this.#reader.set(bytes);
  }

  /** The message at `start` … `end` of the bytes that were set. Throws `malformedMessage`, `invalidRegion`. */
  read(start: number, end: number): RegionRecord {
    const reader = this.#reader;
    const record = new RegionRecord();
    const peers: number[] = [];
    reader.pos = start;
    while (reader.pos < end) {
      const field = reader.u32();
      if (field === tag.id) record.id = reader.u64();
      else if (field === tag.startKey) record.start = this.#key();
      else if (field === tag.endKey) record.end = this.#key();
      else if (field === tag.epoch) this.#readEpoch(record);
      else if (field === tag.peer) this.#readPeer(peers);
      else reader.skip(field & 7);
    }
    this.#border = record.end;
    // Of its final length: lists that grow keep room to spare.
    record.peers = peers.slice();
    return record;
  }

  #key(): KeyText {
    const reader = this.#reader;
    const end = reader.embedded();
    const { bytes, pos } = reader;
    reader.pos = end;
    return isKeyAt(this.#border, bytes, pos, end) ? this.#border : keyText(bytes, pos, end);
  }

  #readEpoch(record: RegionRecord): void {
    const reader = this.#reader;
    const end = reader.embedded();
    while (reader.pos < end) {
      const field = reader.u32();
      if (field === 8) record.confVer = reader.u64();
      else if (field === 16) record.version = reader.u64();
      else reader.skip(field & 7);
    }
  }

  #readPeer(peers: number[]): void {
    const reader = this.#reader;
    const end = reader.embedded();
    let id = 0;
    let storeId = 0;
    let role = 0;
    let witness = 0;
    while (reader.pos < end) {
      const field = reader.u32();
      if (field === 8) id = reader.u64();
      else if (field === 16) storeId = reader.u64();
      else if (field === 24) role = reader.u32();
      else if (field === 32) witness = reader.bool() ? witnessBit : 0;
      else reader.skip(field & 7);
    }
    if (role >= peerRoles.length) throw pdErrors.invalidRegion(["the role of a peer is unknown"]);
    peers.push(id, storeId, role | witness, 0);
  }
}
