import { seededRandom } from "@skein/base";
import { describe, expect, test } from "vitest";
import { Decoder, Encoder, MalformedInput } from "../../raftlog/core/encoder.ts";
import {
  type AdminCommand,
  beginWrites,
  decodeCommand,
  decodeEnvelope,
  type Envelope,
  encodeAdmin,
  encodeEnvelope,
  encodeWrites,
} from "./codec.ts";
import type { Region } from "./region.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const region: Region = {
  id: 2 ** 50,
  startKey: bytes("a"),
  endKey: new Uint8Array(0),
  confVer: 3,
  version: 4,
  peers: [{ id: 5, storeId: 6, role: "demotingVoter" }],
};
const epoch = { confVer: 3, version: 4 };
const entry = { index: 9, term: 8, kind: "change", data: bytes("x") } as const;

describe("commands in the log", () => {
  const commands: readonly AdminCommand[] = [
    { kind: "split", epoch, keys: [bytes("k")], parts: [{ regionId: 7, peerIds: [8, 9] }], rightDerive: true },
    { kind: "compactLog", index: 300, term: 2 },
    { kind: "changePeers", epoch, changes: [{ kind: "addLearner", peerId: 1, storeId: 2 }], leaderId: 5 },
    { kind: "computeHash" },
    { kind: "verifyHash", index: 4, hash: 0xffffffff },
    { kind: "prepareMerge", epoch, minIndex: 3, target: region },
    { kind: "commitMerge", epoch, source: region, commit: 9, entries: [entry] },
    { kind: "rollbackMerge", epoch, commit: 9 },
    { kind: "safePoint", safePoint: 2n ** 63n + 5n },
  ];
  test.each(commands)("$kind reads back", (command) => {
    expect(decodeCommand(encodeAdmin(new Encoder(), command))).toEqual(command);
  });

  test("writes read back in order; the entry that opens a term is none", () => {
    const out = new Encoder(1);
    beginWrites(out, 4);
    const writes = [
      { kind: "put", family: "write", key: bytes("k"), value: new Uint8Array(1000) },
      { kind: "delete", family: "lock", key: bytes("k") },
      { kind: "deleteRange", family: "default", start: bytes("a"), end: bytes("b") },
    ] as const;
    encodeWrites(out, writes.slice(0, 1));
    encodeWrites(out, writes.slice(1));
    expect(decodeCommand(out.take())).toEqual({ kind: "writes", version: 4, writes });
    expect(decodeCommand(new Uint8Array(0))).toBeNull();
  });
});

describe("messages between stores", () => {
  const envelope: Envelope = {
    regionId: 1,
    from: { id: 2, storeId: 3 },
    to: { id: 4, storeId: 5 },
    epoch,
    content: { kind: "raft", term: 6, sleep: true, body: { kind: "heartbeat", commit: 7, context: 8 } },
  };
  const encoded = (message: Envelope) => {
    const out = new Encoder();
    encodeEnvelope(out, message);
    return out.take();
  };

  test("read back, many behind each other", () => {
    const messages: readonly Envelope[] = [
      envelope,
      { ...envelope, content: { kind: "merged", targetId: 9 } },
      { ...envelope, content: { kind: "began", life: 2 ** 31 - 1, answers: 7, term: 8 } },
      { ...envelope, content: { kind: "raft", term: 6, sleep: false, body: { kind: "readIndexAnswer", index: 3, context: "c" } } },
    ];
    const out = new Encoder(1);
    for (const message of messages) encodeEnvelope(out, message);
    const input = new Decoder(out.take());
    expect(messages.map(() => decodeEnvelope(input))).toEqual(messages);
    expect(input.left).toBe(0);
  });

  test("cut short, or garbage, they are malformed and nothing else", () => {
    const whole = encoded({
      ...envelope,
      content: { kind: "raft", term: 6, sleep: false, body: { kind: "append", prevIndex: 1, prevTerm: 1, commit: 1, entries: [entry] } },
    });
    for (let length = 0; length < whole.length; length++)
      expect(() => decodeEnvelope(new Decoder(whole.subarray(0, length)))).toThrow(MalformedInput);
    const random = seededRandom(1);
    for (let i = 0; i < 2_000; i++) {
      try {
        decodeEnvelope(new Decoder(random.bytes(random.below(60))));
      } catch (error) {
        expect(error).toBeInstanceOf(MalformedInput);
      }
    }
  });
});
