/** Errors of the store's transactions and of its process. What clients are told about a region is a `RegionError`. */
import { define } from "@skein/base";

const make =
  (className: string) =>
  <const Args extends readonly unknown[]>(code: number, message: (...args: Args) => string, workaround = "") =>
    define<Args>({
      code,
      class: className,
      scope: "internal",
      level: "high",
      message,
      ...(workaround === "" ? {} : { workaround }),
    });
const txn = make("txn");

export const storeErrors = {
  /** A record that this version of the store cannot have written. */
  damagedRecord: txn(
    72201,
    (family: string, why: string) => `a record of the family ${family} cannot be read: ${why}`,
    "Check the disk, and let the replica be made again from its peers: `pd-ctl operator add remove-peer <region> <store>`.",
  ),
};
