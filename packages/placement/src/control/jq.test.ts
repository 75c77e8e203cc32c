import { describe, expect, test } from "vitest";
import { JqError, jqText, runJq } from "./jq.ts";

const regions = {
  count: 3,
  regions: [
    { id: 1, peers: [{ store_id: 1 }, { store_id: 2 }, { store_id: 3 }], leader: { store_id: 1 }, size: 5 },
    { id: 2, peers: [{ store_id: 1 }, { store_id: 30 }], leader: { store_id: 30 }, size: 9 },
    { id: 18446744073709551615n, peers: [{ store_id: 31 }], size: 1 },
  ],
};

const lines = (expression: string, input: unknown = regions) => runJq(expression, input).map(jqText).join("\n");

describe("expressions that runbooks have", () => {
  test.each([
    [".count", "3"],
    [".regions[0].id, .regions[-1].id", "1\n18446744073709551615"],
    [".regions[] | {id, leader: .leader.store_id}", '{"id":1,"leader":1}\n{"id":2,"leader":30}\n{"id":18446744073709551615,"leader":null}'],
    [
      ".regions[] | {id: .id, peer_stores: [.peers[].store_id] | select(length != 3)}",
      '{"id":2,"peer_stores":[1,30]}\n{"id":18446744073709551615,"peer_stores":[31]}',
    ],
    [".regions[] | select([.peers[].store_id] | any(.==30)) | .id", "2"],
    [".regions[] | select([.peers[].store_id] | any(.==(30,31))) | .id", "2\n18446744073709551615"],
    [
      ".regions[] | {id: .id, peer_stores: [.peers[].store_id] | select(length as $total | map(if .==(1,30,31) then . else empty end) | length>=$total-length)}",
      '{"id":2,"peer_stores":[1,30]}\n{"id":18446744073709551615,"peer_stores":[31]}',
    ],
    [".regions | map(select(.size > 4 and (.id == 1 | not))) | .[].id", "2"],
    ["[.regions[].size] | add, min, max, sort", "15\n1\n9\n[1,5,9]"],
    [".regions | sort_by(.size) | map(.size)", "[1,5,9]"],
    [".regions | group_by(.peers | length) | map(length)", "[1,1,1]"],
    ['.nothing // "none"', '"none"'],
    [".regions[0] | keys", '["id","leader","peers","size"]'],
    [".regions[0] | to_entries | first", '{"key":"id","value":1}'],
    ['if .count == 3 then "yes" elif .count == 4 then "four" else "no" end', '"yes"'],
    [".regions[0:2] | length", "2"],
    ["-.count + 10 * 2 % 7", "3"],
    ['{"a b": 1}."a b"', "1"],
    [".regions[].leader?.store_id?", "1\n30\nnull"],
    ['"abc" | test("b."), startswith("b")', "true\nfalse"],
  ])("%s", (expression, expected) => {
    expect(lines(expression)).toBe(expected);
  });

  test.each([".a | ", ".[", "nosuch", "@", "{a:", "if . then 1", ".count | .x", "$x", "(".repeat(500)])(
    "%s is a mistake that is told",
    (expression) => {
      expect(() => runJq(expression, regions)).toThrow(JqError);
    },
  );
});
