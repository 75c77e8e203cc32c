import { seededRandom } from "@skein/base";
import { expect, test } from "vitest";
import type { Peer, RegionMeta } from "../core/model.ts";
import { pdErrors } from "../errors.ts";
import { regionMessage } from "../wire/convert.ts";
import { Region } from "../wire/metapb.ts";
import { RegionReader } from "./region-reader.ts";
import { metaOf } from "./region-record.ts";

test("regions are read as they were written: ids, keys of any bytes, roles, witnesses", () => {
  const random = seededRandom(7);
  const roles: readonly Peer["role"][] = ["voter", "learner", "incomingVoter", "demotingVoter"];
  const number = () => Math.floor(random.float() * 2 ** random.pick([3, 20, 40, 53]));
  const key = () => Uint8Array.from({ length: random.pick([0, 1, 20, 56, 300]) }, () => random.below(256));
  const regions: RegionMeta[] = [];
  for (let i = 0; i < 200; i++)
    regions.push({
      id: number(),
      startKey: random.chance(0.7) ? (regions.at(-1)?.endKey ?? key()) : key(),
      endKey: key(),
      epoch: { confVer: number(), version: number() },
      peers: Array.from({ length: random.below(6) }, () => ({
        id: number(),
        storeId: number(),
        role: random.pick(roles),
        isWitness: random.chance(0.2),
      })),
    });
  const messages = regions.map((region) => Region.encode(regionMessage(region)));
  const bytes = Buffer.concat(messages);
  const reader = new RegionReader();
  reader.set(bytes);
  let at = 0;
  const read = messages.map(({ length }) => metaOf(reader.read(at, (at += length))));
  expect(read).toEqual(regions);
});

test("fields of later versions are passed over; a role of theirs is refused, and so is what is cut", () => {
  const reader = new RegionReader();
  const read = (bytes: Uint8Array) => {
    reader.set(bytes);
    return metaOf(reader.read(0, bytes.length));
  };
  const later = Uint8Array.of(0x7a, 2, 1, 2, 0x80, 1, 9);
  const region = Region.encode({ id: 5, peers: [{ id: 6, store_id: 7 }] });
  expect(read(Buffer.concat([later, region, later])).peers).toEqual([{ id: 6, storeId: 7, role: "voter", isWitness: false }]);
  expect(() => read(Uint8Array.of(0x2a, 2, 24, 9))).toThrow(pdErrors.invalidRegion.message("the role of a peer is unknown"));
  expect(() => read(region.subarray(0, region.length - 1))).toThrow("malformed message");
});
